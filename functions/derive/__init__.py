"""The derive function: makes what is derived from the exchanges of a thread, such as vectors, after the drain."""
