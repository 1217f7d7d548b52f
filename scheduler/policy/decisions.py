"""Decisions of a plan: a job starts on these devices, or waits for this reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class PendingReason(StrEnum):
    """Why a job waits: a closed list, whose values stay as they are on the wire.

    The comments say what `needed` and `available` count.
    """

    BLOCKED_BY_HEAD = "BLOCKED_BY_HEAD"  # its devices; free ones left; `blocker` is the job in front
    NOT_ENOUGH_DEVICES = "NOT_ENOUGH_DEVICES"  # its devices; free ones left
    NO_SINGLE_NODE = "NO_SINGLE_NODE"  # its devices; free ones on the best node
    MAINTENANCE = "MAINTENANCE"  # its devices; free ones without maintenance until its end, on one node if it needs one
    OVER_TOKEN_LIMIT = "OVER_TOKEN_LIMIT"  # noqa: S105  # devices with this job; the limit of its token
    OVER_GROUP_LIMIT = "OVER_GROUP_LIMIT"  # devices with this job; the limit of one of its token's groups
    TOKEN_STOPPED = "TOKEN_STOPPED"  # noqa: S105  # its devices; none, until its token may start jobs again
    SDA_BUSY = "SDA_BUSY"  # one more job on its SDA; none allowed now
    NO_ACTIVE_BACKEND = "NO_ACTIVE_BACKEND"  # its devices; none
    GROUP_DRAINING = "GROUP_DRAINING"  # its devices; none for new jobs
    NEVER_FITS = "NEVER_FITS"  # its devices; all of the group, or of its largest node


def pending_reasons() -> list[tuple[str, str]]:
    """Return the choices of a column. It is a function, so that a new reason needs no migration."""
    return [(reason.value, reason.value) for reason in PendingReason]


BLOCKING = (
    PendingReason.NOT_ENOUGH_DEVICES,
    PendingReason.NO_SINGLE_NODE,
    PendingReason.MAINTENANCE,
    PendingReason.NO_ACTIVE_BACKEND,
)
"""A job that waits for one of these blocks those behind it; with other reasons it blocks nobody."""
OVER_LIMITS = (PendingReason.OVER_TOKEN_LIMIT, PendingReason.OVER_GROUP_LIMIT)
"""Reasons for which a higher limit is the remedy."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The job starts now on these devices, as (node id, bit mask of device indexes); each node once."""

    request_id: int
    devices: tuple[tuple[int, int], ...]

    def places(self) -> Iterator[tuple[int, int]]:
        """Yield each device as (node id, index)."""
        for node, mask in self.devices:
            yield from ((node, index) for index in range(mask.bit_length()) if mask >> index & 1)


@dataclass(frozen=True, slots=True)
class Waits:
    """The job waits for this reason, with its numbers; `victims` are the jobs that are preempted for it.

    `stuck`: it could not start if all jobs ended, or before a maintenance window ends, so it is not the head.
    """

    request_id: int
    reason: PendingReason
    needed: int
    available: int
    blocker: int | None = None
    victims: tuple[int, ...] = ()
    stuck: bool = False


Decision = Placed | Waits
