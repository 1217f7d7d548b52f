"""Which priority brings a waiting job to a wished place of its queue."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides where a job stands: see `queue_order`."""

    priority: int
    requested_at: datetime
    id: int
    turn: int = 0

    @property
    def key(self) -> tuple[int, int, datetime, int]:
        return (-self.priority, self.turn, self.requested_at, self.id)


@dataclass(frozen=True, slots=True)
class Move:
    """The new priority; `exact` is false when jobs of one priority leave no such place, and it goes past them."""

    priority: int
    exact: bool


def move_between(
    job: Standing, ahead: Standing | None, behind: Standing | None, *, least: int, most: int, fair: bool = False
) -> Move | None:
    """Give the smallest change of priority that puts a job behind `ahead` and in front of `behind`.

    Both are its neighbours at the wished place, without itself; None is an end of the queue. Among jobs of one
    priority the older request stays in front; where the queue is `fair` their shares decide, so that only another
    priority surely stands in front or behind. None when not even the limit of priorities is enough.
    """
    highest = most if ahead is None else ahead.priority - (fair or _in_front(job, ahead))
    lowest = least if behind is None else behind.priority + (fair or _in_front(behind, job))
    if lowest <= highest:
        return Move(min(max(job.priority, lowest), highest), exact=True)
    upwards = behind is not None and behind.key < job.key
    wished = lowest if upwards else highest
    return Move(wished, exact=False) if least <= wished <= most else None


def _in_front(one: Standing, other: Standing) -> int:
    """Give 1 when `one` would stand in front of `other` at the same priority, 0 when behind it."""
    return int((one.requested_at, one.id) < (other.requested_at, other.id))
