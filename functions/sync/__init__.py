"""The sync function: SQS batches in, rows in PostgreSQL out."""
