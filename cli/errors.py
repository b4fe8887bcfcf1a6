"""What a command ends with when the deployment's API says no."""

from __future__ import annotations


class ApiRefused(Exception):  # noqa: N818 - reads as what it says
    """The API answered, and the answer is no.

    Attributes:
        status: The HTTP status, 0 for an answer that is not the API's.
        is_outage: Whether the same request may succeed later: a layer behind the API is away, or it is too busy.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.is_outage = status == 429 or status >= 500  # noqa: PLR2004 - the two kinds of "not now" that HTTP has
