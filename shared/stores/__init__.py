"""One module a store; each is the only place that imports its driver."""
