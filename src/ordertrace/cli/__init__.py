"""The command `ordertrace`: one module a command; `main` joins them. Nothing below imports this package."""
