"""The protocols of the stores, and one package for each store. Only that package imports the store's driver.

Store operations for operators are in `cli/stores`; the in-memory stores for tests are in `shared/testing`.
"""
