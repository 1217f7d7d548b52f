"""Rate limits in one process."""

import time
from collections.abc import Callable, Hashable

from django.utils.translation import gettext as _

from core.errors import DomainError

Clock = Callable[[], float]
MANY = 10_000  # keys, above which those are forgotten that may do everything again


class TooManyCalls(DomainError):
    """Refused now: the same goes well after `retry_after` seconds."""

    code = "THROTTLED"

    def __init__(self, retry_after: float) -> None:
        seconds = f"{retry_after:.1f}"
        super().__init__(_("Too many calls; try again in %(seconds)s s.") % {"seconds": seconds}, seconds=seconds)
        self.retry_after = retry_after


class Pace:
    """A rate limit per key: `burst` calls at once, then one every `every` seconds."""

    def __init__(self, every: float, burst: int, now: Clock = time.monotonic) -> None:
        self._every = every
        self._ahead = (burst - 1) * every
        self._now = now
        self._next: dict[Hashable, float] = {}
        self._most = MANY

    def wait(self, key: Hashable) -> float:
        """Return 0 and count it when it may be done now, else the seconds until then."""
        if wait := self.remaining(key):
            return wait
        now = self._now()
        self._next[key] = max(now, self._next.get(key, now)) + self._every
        if len(self._next) > self._most:
            self._next = {one: due for one, due in self._next.items() if due > now}
            self._most = max(MANY, 2 * len(self._next))
        return 0.0

    def remaining(self, key: Hashable) -> float:
        """Return 0 when it may be done now, else the seconds until then, and count nothing."""
        return max(0.0, self._next.get(key, 0.0) - self._now() - self._ahead)
