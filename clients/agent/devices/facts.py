"""What identifies a card and what is wrong with it; and the memory of what is seen only for a moment."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from clients.channel import sendable
from protocol.v1 import agents_pb2 as pb

LONGEST_TEXT = 200
XID_HOLDS = 3600.0  # seconds after the last event of its kind
MOST_FACTS = 32  # of a device

Code = pb.HealthFact
# Seconds for which a fact stays after it was last seen: a card that slows down for heat does so again and again.
HOLDS = {Code.THERMAL_SLOWDOWN: 300.0, Code.POWER_BRAKE: 300.0}
Now = Callable[[], float]


@dataclass(frozen=True)
class Identity:
    """What a vendor's tool says a card is; "" is what could not be read."""

    uuid: str = ""
    serial: str = ""
    pci_address: str = ""
    driver_version: str = ""
    firmware_version: str = ""


NOBODY = Identity()


@dataclass(frozen=True)
class Fact:
    """One thing that is wrong with a device, as in the message HealthFact."""

    code: "pb.HealthFact.Code.ValueType"
    number: int = 0
    count: int = 0
    first_ms: int = 0
    last_ms: int = 0
    text: str = ""

    def message(self) -> pb.HealthFact:
        """Return it for the wire."""
        return pb.HealthFact(
            code=self.code,
            number=self.number,
            count=max(0, self.count),
            first_ms=self.first_ms,
            last_ms=self.last_ms,
            text=sendable(self.text)[:LONGEST_TEXT],
        )


class FactMemory:
    """Keeps facts of devices for a while after they were last seen. Several threads may use it."""

    def __init__(self, now: Now = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._kept: dict[tuple[int, int, int], tuple[float, Fact]] = {}

    def note(self, device: int, fact: Fact, seconds: float, *, event: bool = False) -> None:
        """Keep a fact for so many seconds from now. An event is counted, and has the time of its last occurrence."""
        now, key = self._now(), (device, fact.code, fact.number)
        with self._lock:
            known = self._kept.get(key)
            first = known[1].first_ms if known else int(now * 1000)
            count = (known[1].count if known else 0) + 1 if event else fact.count
            last = int(now * 1000) if event else 0
            self._kept[key] = now + seconds, replace(fact, count=count, first_ms=first, last_ms=last)

    def forget(self, device: int) -> None:
        """Forget what is kept of a device, because it was reset."""
        with self._lock:
            self._kept = {key: kept for key, kept in self._kept.items() if key[0] != device}

    def of(self, device: int) -> tuple[Fact, ...]:
        """Return what is kept of a device, and forget what is over."""
        now = self._now()
        with self._lock:
            self._kept = {key: kept for key, kept in self._kept.items() if kept[0] > now}
            return tuple(fact for (index, *_), (_until, fact) in sorted(self._kept.items()) if index == device)
