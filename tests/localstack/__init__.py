"""`python -m tests.localstack`: the end-to-end suite against LocalStack's own code, where no Docker engine runs."""
