"""The stores: their protocols, and one package per store, the only place that imports its driver.

Store operations for operators are in `cli/stores`; the in-memory stores for tests are in `shared/testing`.
"""
