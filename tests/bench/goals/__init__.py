"""The speed goals are measured side by side in one run, with client and servers on one core."""
