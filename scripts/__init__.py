"""Scripts that write documents: `make docs`."""
