"""The exchange queue: SQS."""
