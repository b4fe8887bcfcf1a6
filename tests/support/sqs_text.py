"""The characters that SQS accepts in a message."""

from __future__ import annotations


def is_accepted_by_sqs(body: str) -> bool:
    """Return whether SQS accepts every character of a message (SendMessage, "Unicode characters")."""
    return all(
        character in "\t\n\r"
        or " " <= character <= "\ud7ff"
        or "\ue000" <= character <= "\ufffd"
        or character > "\uffff"
        for character in body
    )
