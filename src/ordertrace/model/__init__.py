"""Values that the layers hand to each other: frozen dataclasses and enums. Imports nothing of ours."""
