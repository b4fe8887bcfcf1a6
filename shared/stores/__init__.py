"""What the memory asks of its stores, and one package a store: its driver is imported there and nowhere else.

What only an operator asks of them is in `cli/stores`; their in-memory twins for tests are in `shared/testing`.
"""
