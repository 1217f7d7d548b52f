from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a job waits: a closed list, whose values stay as they are on the wire.

    Beside each stands what `needed` and `available` count.
    """

    BLOCKED_BY_HEAD = "BLOCKED_BY_HEAD"  # its devices; free ones left; `blocker` is the job in front
    NOT_ENOUGH_DEVICES = "NOT_ENOUGH_DEVICES"  # its devices; free ones left
    NO_SINGLE_NODE = "NO_SINGLE_NODE"  # its devices; free ones on the best node
    OVER_TOKEN_LIMIT = "OVER_TOKEN_LIMIT"  # noqa: S105  # devices with this job; the limit of its token
    OVER_GROUP_LIMIT = "OVER_GROUP_LIMIT"  # devices with this job; the limit of one of its token's groups
    TOKEN_STOPPED = "TOKEN_STOPPED"  # noqa: S105  # its devices; none, until its token may start jobs again
    SDA_BUSY = "SDA_BUSY"  # one more job on its SDA; none allowed now
    NO_ACTIVE_BACKEND = "NO_ACTIVE_BACKEND"  # its devices; none
    GROUP_DRAINING = "GROUP_DRAINING"  # its devices; none for new jobs
    NEVER_FITS = "NEVER_FITS"  # its devices; all of the group, or of its largest node


BLOCKING = (Reason.NOT_ENOUGH_DEVICES, Reason.NO_SINGLE_NODE, Reason.NO_ACTIVE_BACKEND)
"""Who waits for one of these holds back those behind it; the others wait for something of their own."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The job starts now on these devices: (node id, bit mask of device indexes), each node once."""

    request_id: int
    devices: tuple[tuple[int, int], ...]

    def places(self) -> Iterator[tuple[int, int]]:
        """Give each device as (node id, index)."""
        for node, mask in self.devices:
            yield from ((node, index) for index in range(mask.bit_length()) if mask >> index & 1)


@dataclass(frozen=True, slots=True)
class Waits:
    """The job waits, and why, in numbers; `victims` are the jobs that shall give their devices back for it."""

    request_id: int
    reason: Reason
    needed: int
    available: int
    blocker: int | None = None
    victims: tuple[int, ...] = ()


Decision = Placed | Waits
