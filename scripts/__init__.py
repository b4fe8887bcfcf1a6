"""Scripts that generate documents: `make docs`."""
