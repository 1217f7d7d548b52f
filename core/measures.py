"""Counts and durations of this process, which only grow until it ends; `moreh_cloud.metrics` stores and tells them."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from time import perf_counter
from typing import ClassVar

DURATIONS = (0.005, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0)  # seconds
WAITS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)  # seconds
MOST = 5_000  # sets of labels of one measure; what comes after them is told with each label "other"
Counts = Mapping[str, list[tuple[list[str], list[float]]]]
"""By measure: its numbers for each set of labels."""


class Measure:
    """Numbers for each set of labels, which are added up over all processes."""

    every: ClassVar[dict[str, "Measure"]] = {}

    def __init__(self, name: str, text: str, labels: tuple[str, ...] = (), bounds: tuple[float, ...] = ()) -> None:
        self.name, self.text, self.labels, self.bounds = name, text, labels, bounds
        self._numbers: dict[tuple[str, ...], list[float]] = {}
        self._lock = Lock()
        Measure.every[name] = self

    def _of(self, labels: tuple[str, ...]) -> list[float]:
        """Return the numbers of some labels, made when they are new; call it under the lock."""
        found = self._numbers.get(labels)
        if found is None:
            if len(self._numbers) >= MOST:
                labels = ("other",) * len(labels)
            found = self._numbers.setdefault(labels, [0] * self.width)
        return found

    @property
    def width(self) -> int:
        """Return how many numbers there are for each set of labels."""
        return 1

    def snapshot(self) -> list[tuple[list[str], list[float]]]:
        """Return a copy of all numbers."""
        with self._lock:
            return [([*labels], [*numbers]) for labels, numbers in self._numbers.items()]


class Counter(Measure):
    """How often something happened."""

    def add(self, *labels: str, number: float = 1) -> None:
        """Count it; with the number 0 it is told as 0 from now on."""
        with self._lock:
            self._of(labels)[0] += number


class Gauge(Measure):
    """How many of something there are now."""

    def add(self, *labels: str, number: float = 1) -> None:
        """Change how many there are."""
        with self._lock:
            self._of(labels)[0] += number

    def put(self, *labels: str, number: float) -> None:
        """Set how many there are."""
        with self._lock:
            self._of(labels)[0] = number


class Histogram(Measure):
    """How often a value was how large: for each bound how often it was at most that, how often it was more, its sum."""

    @property
    def width(self) -> int:
        """Return the number of bounds, and two more."""
        return len(self.bounds) + 2

    def add(self, *labels: str, value: float) -> None:
        """Count a value."""
        self.add_all(labels, (value,))

    def add_all(self, labels: tuple[str, ...], values: Iterable[float]) -> None:
        """Count values."""
        places = [(bisect_left(self.bounds, value), value) for value in values]
        with self._lock:
            numbers = self._of(labels)
            for place, value in places:
                numbers[place] += 1
                numbers[-1] += value

    @contextmanager
    def timed(self, *labels: str) -> Iterator[None]:
        """Count the seconds that the block takes, however it ends."""
        begin = perf_counter()
        try:
            yield
        finally:
            self.add(*labels, value=perf_counter() - begin)


def snapshot(kind: type[Measure] | tuple[type[Measure], ...]) -> Counts:
    """Return the numbers of all measures of some kinds."""
    return {name: one.snapshot() for name, one in Measure.every.items() if isinstance(one, kind)}


def added(counts: Iterable[Counts]) -> Counts:
    """Return the sums of the numbers of the same measure and labels."""
    return _combined(counts, 1)


def without(counts: Counts, less: Counts) -> Counts:
    """Return what counts say beyond other ones."""
    return _combined((counts, less), -1)


def _combined(counts: Iterable[Counts], sign: int) -> Counts:
    found: dict[str, dict[tuple[str, ...], list[float]]] = {}
    for place, one in enumerate(counts):
        factor = sign if place else 1
        for name, rows in one.items():
            of = found.setdefault(name, {})
            for labels, numbers in rows:
                _add(of.setdefault(tuple(labels), [0] * len(numbers)), numbers, factor)
    return {name: [([*labels], numbers) for labels, numbers in of.items()] for name, of in found.items()}


def _add(sums: list[float], numbers: list[float], factor: int) -> None:
    """Add numbers in place; those of another version with other bounds are left out."""
    if len(sums) == len(numbers):
        sums[:] = [one + factor * other for one, other in zip(sums, numbers, strict=True)]
