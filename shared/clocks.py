"""Maximum differences between the clocks of machines and servers, in seconds."""

from __future__ import annotations

from typing import Final

# If two machines' clocks differ by more than this, one of them is wrong.
MAX_DIFFERENCE: Final = 120.0
# Maximum time by which a caller's clock may be ahead of this project's clock. The next ids and cutoffs of a thread sort
# after its latest id. So an id with a later time would give them times in the future, too.
MAX_AHEAD: Final = 10.0
# If the time of an order key is ahead of the current time by more than this, a wrong clock created the key. Later ids
# then need not sort after it.
MAX_SKEW: Final = 86_400.0
