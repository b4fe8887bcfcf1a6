"""Measures the memory's hot paths side by side with the bare servers they run on."""
