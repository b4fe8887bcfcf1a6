"""The rule that decides which exchanges a deletion includes. Every store and layer uses the same rule.

A cutoff is the acceptance key up to which the exchanges of a thread or user are deleted. An exchange's acceptance key
is its order key, except for imports (see `shared.ids.acceptance_key`).

If a wrong clock has dated an exchange far ahead, the cutoff does not follow it, because that would also delete the
exchanges of the following hours or days. The deletion then records the exchange's id.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

# A deletion raises its cutoff to the newest stored exchange by less than this number of milliseconds.
_MAX_RAISE: Final = 3_600_000
_LAST_KEY: Final = (1 << 128) - 1


def end_of_raise(cutoff: UUID) -> UUID:
    """Return the key that a deletion's cutoff stays below when it is raised to the newest stored exchange."""
    return UUID(int=min(cutoff.int + (_MAX_RAISE << 80), _LAST_KEY))


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
