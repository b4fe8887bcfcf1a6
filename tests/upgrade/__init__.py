"""Tests of this release and the previous release on one schema, one Redis and one queue."""
