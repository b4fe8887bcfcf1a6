"""Maximum differences between the clocks of machines and servers, in seconds."""

from __future__ import annotations

from typing import Final

# If two machines' clocks differ by more than this, one of them is wrong.
MAX_DIFFERENCE: Final = 120.0
# How far a caller's clock may be ahead. Ids from further ahead would also move their thread and deletions ahead.
MAX_AHEAD: Final = 10.0
# No clock skew explains an order key further ahead than this, so later ids need not sort after it.
MAX_SKEW: Final = 86_400.0
