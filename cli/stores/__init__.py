"""Store operations for operators: scans, counts, comparisons, moves of messages. No Lambda artifact contains them."""
