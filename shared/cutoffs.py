"""The reach of a deletion, equal in every store and layer.

A cutoff is the order key up to which the exchanges of a thread or user are deleted.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID


def is_reached(order: UUID | None, *cutoffs: UUID | None) -> bool:
    """Return whether a deletion includes an exchange.

    Args:
        order: The exchange's order key; None for another program's entry, which is never deleted.
        cutoffs: The cutoffs of the exchange's thread and user; None without a deletion.
    """
    return order is not None and any(cutoff is not None and order <= cutoff for cutoff in cutoffs)


def is_deleted(
    exchange_id: UUID | None, order: UUID | None, deleted: Collection[UUID | None], *cutoffs: UUID | None
) -> bool:
    """Return whether an exchange was deleted, individually or with its thread or user.

    Args:
        exchange_id: None for another program's entry.
        order: The exchange's order key.
        deleted: The ids of exchanges that were deleted individually.
        cutoffs: The cutoffs of the exchange's thread and user; None without a deletion.
    """
    return exchange_id in deleted or is_reached(order, *cutoffs)
