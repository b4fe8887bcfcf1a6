"""What the local stack raises: one sentence for the person who typed the command."""


class LocalStackError(Exception):
    """A step of the local stack failed; the message says which one and what to do."""
