"""Which priority gives a waiting job a requested place in its queue."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class QueueKey:
    """What decides the place of a job in its queue, as `queue_order` does."""

    priority: int
    requested_at: datetime
    id: int
    fair_rank: int = 0

    @property
    def key(self) -> tuple[int, int, datetime, int]:
        """Return the sort key of the job in its queue."""
        return (-self.priority, self.fair_rank, self.requested_at, self.id)


@dataclass(frozen=True, slots=True)
class NewPriority:
    """The new priority; `exact` is False if there is no such place between jobs of one priority, so it passes them."""

    priority: int
    exact: bool


def priority_between(
    job: QueueKey, ahead: QueueKey | None, behind: QueueKey | None, *, least: int, most: int, fair: bool = False
) -> NewPriority | None:
    """Return the priority with the smallest change that puts a job behind `ahead` and in front of `behind`.

    Both are the neighbours at the requested place; None is an end of the queue. Among jobs of one priority the older
    request is in front. In a `fair` queue usage decides instead, so only another priority is certain. None if no
    priority between `least` and `most` is enough.
    """
    highest = most if ahead is None else ahead.priority - (fair or _in_front(job, ahead))
    lowest = least if behind is None else behind.priority + (fair or _in_front(behind, job))
    if lowest <= highest:
        return NewPriority(min(max(job.priority, lowest), highest), exact=True)
    upwards = behind is not None and behind.key < job.key
    wanted = lowest if upwards else highest
    return NewPriority(wanted, exact=False) if least <= wanted <= most else None


def _in_front(one: QueueKey, other: QueueKey) -> int:
    """Return 1 when `one` would stand in front of `other` at the same priority, 0 when behind it."""
    return int((one.requested_at, one.id) < (other.requested_at, other.id))
