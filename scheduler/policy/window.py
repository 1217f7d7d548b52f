"""Windows in which devices that become free are reserved for a head that others pass (ADR 14).

The time between windows grows, and each window is open for a tenth of it.
"""

from typing import NamedTuple

GROWTH = 3  # each window opens after a waiting time that is so many times that of the one before
LENGTH_DIVISOR = 10  # a window is open for this fraction of the waiting time


class ReservationWindow(NamedTuple):
    """When a window opens and closes; without an end it is open until the head starts.

    Running jobs that started at `young_ms` or later are expected to end while it is open; None: all of them.
    """

    opens_ms: int
    ends_ms: int | None
    young_ms: int | None


def window(since_ms: int, guard_ms: int, now_ms: int) -> ReservationWindow | None:
    """Return the window that is open now for a job that has been at the head since `since_ms`; None if none is.

    The first one opens after `guard_ms`; if that is 0, one window is always open.
    """
    if not guard_ms:
        return ReservationWindow(since_ms, None, None)
    waited = now_ms - since_ms
    if waited < guard_ms:
        return None
    after = guard_ms
    while after * GROWTH <= waited:
        after *= GROWTH
    length = max(1, after // LENGTH_DIVISOR)
    if waited >= after + length:
        return None
    opens_ms = since_ms + after
    return ReservationWindow(opens_ms, opens_ms + length, opens_ms - length)
