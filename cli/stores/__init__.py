"""What only an operator asks of the stores: scans, counts, comparisons, moves of messages. No function ships it."""
