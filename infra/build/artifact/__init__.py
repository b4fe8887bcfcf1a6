"""Builds the artifacts for AWS: one directory per function, byte for byte equal if no input changed.

This package imports only the standard library, because `sam build` runs it with any installed Python.
"""
