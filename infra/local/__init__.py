"""The embedded local stack: real PostgreSQL, real Valkey and an AWS emulator, all on 127.0.0.1, without Docker."""
