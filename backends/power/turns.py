"""When a node may be powered on if its group allows only some in a time. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta


def next_turn(now: datetime, others: Iterable[datetime], *, nodes: int, within: timedelta) -> datetime:
    """Return when one more node may be powered on: `now` or later.

    `others` are the times of other power-ons, past and to come. At most `nodes` of them lie in any time `within`.
    """
    counted = sorted(at for at in others if at > now - within)
    return max(now, counted[-nodes] + within) if len(counted) >= nodes else now
