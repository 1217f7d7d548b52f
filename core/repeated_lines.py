"""Log lines about refused calls: a flood from one address is one line at first, then one count a minute."""

import logging
from collections import Counter
from collections.abc import Callable
from threading import Lock, Timer
from typing import Any, Generic, NamedTuple, TypeVar

import structlog

from core.addresses import site_of

log = structlog.get_logger(__name__)
MINUTE = 60.0
MANY = 1000  # addresses and routes that are told apart at once
REFUSALS = range(400, 500)
Start = Callable[[float, Callable[[], None]], None]
Kind = TypeVar("Kind", bound=NamedTuple)


class Refusal(NamedTuple):
    """A kind of refused requests: where they come from, what they are answered, and which route they ask for."""

    site: str
    status: int
    route: str


OTHERS = Refusal("", 0, "")


class RepeatCounter(Generic[Kind]):
    """Counts events of each kind: the first is to be logged, the others of a minute become one line with a count.

    Above MANY kinds, new ones are counted as `others`.
    """

    def __init__(self, event: str, others: Kind, start: Start | None = None) -> None:
        self._event, self._others, self._start = event, others, start or _later
        self._counts: Counter[Kind] = Counter()
        self._lock = Lock()

    def is_first(self, kind: Kind) -> bool:
        """Count an event; whether it is the first of its kind in this minute."""
        with self._lock:
            if not self._counts:
                self._start(MINUTE, self.report)
            if kind not in self._counts and len(self._counts) >= MANY:
                kind = self._others
            first = kind not in self._counts
            self._counts[kind] += 1
        return first

    def report(self) -> None:
        """Log how many were left out of the last minute; kinds that came no more begin anew with a line."""
        with self._lock:
            counts, self._counts = self._counts, Counter({kind: 1 for kind, count in self._counts.items() if count > 1})
            if self._counts:
                self._start(MINUTE, self.report)
        for kind, count in counts.items():
            if count > 1:
                log.warning(self._event, **kind._asdict(), count=count - 1)


class RepeatedLines(logging.Filter):
    """Pass the first record about refused requests of one kind, and count the others."""

    def __init__(self, start: Start | None = None) -> None:
        super().__init__()
        self._repeats = RepeatCounter("requests_refused", OTHERS, start)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write a record."""
        refusal = _refusal_of(record)
        return refusal is None or self._repeats.is_first(refusal)


def _refusal_of(record: logging.LogRecord) -> Refusal | None:
    request: Any = getattr(record, "request", None)
    status = getattr(record, "status_code", 0)
    if request is None or status not in REFUSALS:
        return None
    match = getattr(request, "resolver_match", None)
    return Refusal(site_of(request.META.get("REMOTE_ADDR", "")), status, match.route if match else "")


def _later(seconds: float, work: Callable[[], None]) -> None:
    timer = Timer(seconds, work)
    timer.daemon = True
    timer.start()
