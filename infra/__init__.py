"""What the system runs on: migrations, and the local stack."""
