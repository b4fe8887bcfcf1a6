"""The rule that decides which exchanges a deletion includes. Every store and layer uses the same rule.

A cutoff is the acceptance key up to which the exchanges of a thread or user are deleted. An exchange's acceptance key
is its order key, except for imports (see `shared.ids.acceptance_key`).
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID


def is_reached(acceptance: UUID | None, *cutoffs: UUID | None) -> bool:
    """Return whether a deletion includes an exchange.

    Args:
        acceptance: The exchange's acceptance key; None for another program's entry, which is never deleted.
        cutoffs: The cutoffs of the exchange's thread and user; None without a deletion.
    """
    return acceptance is not None and any(cutoff is not None and acceptance <= cutoff for cutoff in cutoffs)


def is_deleted(
    exchange_id: UUID | None, acceptance: UUID | None, deleted: Collection[UUID | None], *cutoffs: UUID | None
) -> bool:
    """Return whether an exchange was deleted, individually or with its thread or user.

    Args:
        exchange_id: None for another program's entry.
        acceptance: The exchange's acceptance key.
        deleted: The ids of exchanges that were deleted individually.
        cutoffs: The cutoffs of the exchange's thread and user; None without a deletion.
    """
    return exchange_id in deleted or is_reached(acceptance, *cutoffs)
