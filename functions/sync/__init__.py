"""The sync function: drains SQS batches into PostgreSQL, and sweeps on a schedule."""
