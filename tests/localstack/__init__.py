"""`python -m tests.localstack`: the end-to-end tests on LocalStack's own code, without Docker."""
