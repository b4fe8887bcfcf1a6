"""Models of each framework's own kind that need no key: the examples and the tests run on them."""
