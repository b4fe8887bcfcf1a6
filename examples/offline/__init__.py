"""Offline models for each framework, which need no key. The examples and the tests use them."""
