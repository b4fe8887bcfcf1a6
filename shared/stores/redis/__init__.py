"""L1: Redis, with its Lua scripts beside."""
