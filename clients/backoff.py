"""Waits between retries."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Waits between retries, s: doubling up to `longest`, each a random share of it.

    The randomness spreads a thousand clients that lost the same server over the whole wait.
    """

    first: float = 0.25
    longest: float = 5.0
    draw: Callable[[float, float], float] = random.uniform
    _tries: int = field(default=0, init=False)

    def next(self) -> float:
        """Return the next wait."""
        bound = min(self.longest, self.first * 2 ** min(self._tries, 30))
        self._tries += 1
        return self.draw(bound / 4, bound)

    def reset(self) -> None:
        """Begin with short waits again, after a success."""
        self._tries = 0
