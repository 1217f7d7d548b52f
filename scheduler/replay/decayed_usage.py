"""Decayed usage of tokens in virtual time: device-time counts half after each half-life."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp2, log

LN_2 = log(2)


@dataclass(slots=True)
class _TokenUsage:
    decayed_usage: float = 0.0
    held: int = 0
    at_ms: int = 0


class DecayedUsage:
    """The sum that `scheduler.cycle.fair_share` computes from rows, updated with each change."""

    def __init__(self, half_life_ms: int) -> None:
        self._half_life_ms = half_life_ms
        self._by_token: dict[int, _TokenUsage] = {}

    def change(self, token: int, devices: int, now_ms: int) -> None:
        """Change the number of devices that a token holds from now on; below 0 it releases them."""
        usage = self._by_token.setdefault(token, _TokenUsage(at_ms=now_ms))
        usage.decayed_usage, usage.at_ms = self._as_of(usage, now_ms), now_ms
        usage.held += devices

    def decayed_usage(self, now_ms: int) -> Mapping[int, float]:
        """Return the decayed usage of each token in device-milliseconds, as of now."""
        return {token: self._as_of(usage, now_ms) for token, usage in self._by_token.items()}

    def _as_of(self, usage: _TokenUsage, now_ms: int) -> float:
        factor = exp2((usage.at_ms - now_ms) / self._half_life_ms)
        return usage.decayed_usage * factor + usage.held * self._half_life_ms / LN_2 * (1 - factor)
