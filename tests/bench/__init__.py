"""The benchmarks measure the memory's hot paths and compare them with the bare servers."""
