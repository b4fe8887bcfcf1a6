"""Store operations for the command line: scans, counts, comparisons and moves. No Lambda artifact contains them."""
