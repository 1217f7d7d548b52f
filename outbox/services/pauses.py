"""How long to wait between attempts, in plain Python."""

from dataclasses import dataclass
from datetime import timedelta

JITTER = 0.2
LEAST = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Pauses:
    """The first and the longest pause; each is twice the one before."""

    first: timedelta
    most: timedelta

    def after(self, failures: int, chance: float, retry_after: float | None = None) -> timedelta:
        """Return the pause after so many failures, give or take a fifth by `chance` (0 to 1).

        A receiver that asks for a longer pause gets it, up to the longest one.
        """
        doubled = min(self.first * (1 << min(max(failures - 1, 0), 20)), self.most)
        pause = max(doubled * (1 - JITTER + 2 * JITTER * chance), LEAST)
        if retry_after is not None:
            pause = max(pause, timedelta(seconds=min(retry_after, self.most.total_seconds())))
        return pause
