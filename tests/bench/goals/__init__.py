"""All speed goals are measured in one run, with the client and the servers on one core."""
