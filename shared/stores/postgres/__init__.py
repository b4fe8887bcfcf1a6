"""L2: PostgreSQL, with its statements in `sql/`."""
