"""What a deletion reaches, in every store and layer.

A cutoff is the order key up to which the exchanges of a thread, or of a user, are deleted.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID


def is_reached(order: UUID | None, *cutoffs: UUID | None) -> bool:
    """Return whether a deletion reaches an exchange.

    Args:
        order: The exchange's order key; None for an entry of another program, which no deletion reaches.
        cutoffs: Of the exchange's thread and user; None where there was no deletion.
    """
    return order is not None and any(cutoff is not None and order <= cutoff for cutoff in cutoffs)


def is_deleted(
    exchange_id: UUID | None, order: UUID | None, deleted: Collection[UUID | None], *cutoffs: UUID | None
) -> bool:
    """Return whether an exchange was deleted, by itself or with its thread or user.

    Args:
        exchange_id: None for an entry of another program.
        order: The exchange's order key.
        deleted: The exchanges that were deleted by themselves.
        cutoffs: Of the exchange's thread and user; None where there was no deletion.
    """
    return exchange_id in deleted or is_reached(order, *cutoffs)
