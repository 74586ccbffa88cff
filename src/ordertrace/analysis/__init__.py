"""What many orders say together. `reader` asks the store; everything else here is pure."""
