"""Maximum differences between the clocks of machines and servers, in seconds."""

from __future__ import annotations

from typing import Final

# If two machines' clocks differ by more than this, one of them is wrong.
MAX_DIFFERENCE: Final = 120.0
# Maximum time by which a caller's clock may be ahead. A thread's next ids and cutoffs sort after its latest id, so an
# id from further ahead would give them times in the future, too.
MAX_AHEAD: Final = 10.0
# An order key further ahead than this comes from a wrong clock, so later ids need not sort after it.
MAX_SKEW: Final = 86_400.0
