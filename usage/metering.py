"""Device-time from intervals, as exact integers of milliseconds; every interval and range is [start, end)."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Generic, TypeVar

HOUR_MS = 3_600_000

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Interval(Generic[K]):
    """`devices` devices held for `key` from `start_ms` until `end_ms`; None means still held."""

    key: K
    start_ms: int
    end_ms: int | None
    devices: int = 1


@dataclass(frozen=True, slots=True)
class Stay(Generic[K]):
    """One device held for `key` until `end_ms`: by a job that is prepared until `ready_ms`, or `reserved`.

    None means not yet.
    """

    key: K
    start_ms: int
    ready_ms: int | None
    end_ms: int | None
    reserved: bool = False


@dataclass(frozen=True, slots=True)
class Times:
    """Device-milliseconds, and how many of them were preparing or reserved; the rest were processing."""

    device_ms: int = 0
    preparing_ms: int = 0
    reserved_ms: int = 0

    @property
    def processing_ms(self) -> int:
        """Return the device-milliseconds in which programs ran."""
        return self.device_ms - self.preparing_ms - self.reserved_ms

    def __add__(self, other: "Times") -> "Times":
        return Times(
            self.device_ms + other.device_ms,
            self.preparing_ms + other.preparing_ms,
            self.reserved_ms + other.reserved_ms,
        )


@dataclass(frozen=True, slots=True)
class UnbilledTime:
    """Device-milliseconds that are not billed: of jobs that waited for devices, and of devices that were cleaned."""

    waiting_ms: int = 0
    waiting_jobs: int = 0
    cleaning_ms: int = 0

    def __add__(self, other: "UnbilledTime") -> "UnbilledTime":
        return UnbilledTime(
            self.waiting_ms + other.waiting_ms,
            self.waiting_jobs + other.waiting_jobs,
            self.cleaning_ms + other.cleaning_ms,
        )


@dataclass(frozen=True, slots=True)
class HeldDevices:
    """How many devices were held at once over a range of `span_ms`."""

    minimum: int
    maximum: int
    device_ms: int
    span_ms: int

    @property
    def average(self) -> Fraction:
        """Return the exact time-weighted average; 0 over an empty range."""
        return Fraction(self.device_ms, self.span_ms) if self.span_ms else Fraction(0)

    def __add__(self, other: "HeldDevices") -> "HeldDevices":
        """Return the figures of two ranges together; a range without length adds nothing."""
        if not (self.span_ms and other.span_ms):
            return self if self.span_ms else other
        lowest, highest = min(self.minimum, other.minimum), max(self.maximum, other.maximum)
        return HeldDevices(lowest, highest, self.device_ms + other.device_ms, self.span_ms + other.span_ms)


NOTHING = HeldDevices(0, 0, 0, 0)


def clip(intervals: Iterable[Interval[K]], start_ms: int, end_ms: int) -> Iterator[tuple[K, int, int, int]]:
    """Return the intervals cut to a range, as (key, start, end, devices), without those that are then empty."""
    for interval in intervals:
        start = max(interval.start_ms, start_ms)
        end = end_ms if interval.end_ms is None else min(interval.end_ms, end_ms)
        if start < end:
            yield interval.key, start, end, interval.devices


def device_ms(intervals: Iterable[Interval[K]], start_ms: int, end_ms: int) -> dict[K, int]:
    """Return the device-milliseconds of each key within a range; a key that held nothing is absent."""
    sums: defaultdict[K, int] = defaultdict(int)
    for key, start, end, devices in clip(intervals, start_ms, end_ms):
        sums[key] += (end - start) * devices
    return dict(sums)


def times(stays: Iterable[Stay[K]], start_ms: int, end_ms: int) -> dict[K, Times]:
    """Return the times of each key within a range; a key that held nothing is absent."""
    sums: defaultdict[K, Times] = defaultdict(Times)
    for stay in stays:
        start = max(stay.start_ms, start_ms)
        end = end_ms if stay.end_ms is None else min(stay.end_ms, end_ms)
        if start < end:
            sums[stay.key] += _time(stay, start, end)
    return dict(sums)


def times_by_hour(stays: Iterable[Stay[K]], start_ms: int, end_ms: int) -> dict[tuple[int, K], Times]:
    """Return the times of each (start of an hour in ms since 1970, key) of a range that begins with an hour."""
    sums: defaultdict[tuple[int, K], Times] = defaultdict(Times)
    for stay in stays:
        first = max(stay.start_ms, start_ms)
        last = end_ms if stay.end_ms is None else min(stay.end_ms, end_ms)
        for hour in range(first - first % HOUR_MS, last, HOUR_MS):
            start, end = max(first, hour), min(last, hour + HOUR_MS)
            if start < end:
                sums[hour, stay.key] += _time(stay, start, end)
    return dict(sums)


def _time(stay: Stay[K], start: int, end: int) -> Times:
    if stay.reserved:
        return Times(end - start, 0, end - start)
    ready = end if stay.ready_ms is None else min(max(stay.ready_ms, start), end)
    return Times(end - start, ready - start, 0)


def held_by_hour(intervals: Iterable[Interval[K]], start_ms: int, end_ms: int) -> dict[tuple[int, K], HeldDevices]:
    """Return the devices held of each (start of an hour in ms since 1970, key); a key that held nothing is absent."""
    pieces: defaultdict[tuple[int, K], list[Interval[K]]] = defaultdict(list)
    for key, start, end, devices in clip(intervals, start_ms, end_ms):
        for hour in range(start - start % HOUR_MS, end, HOUR_MS):
            piece = Interval(key, max(start, hour), min(end, hour + HOUR_MS), devices)
            pieces[hour, key].append(piece)
    return {at: held(mine, at[0], at[0] + HOUR_MS) for at, mine in pieces.items()}


def held(intervals: Iterable[Interval[K]], start_ms: int, end_ms: int) -> HeldDevices:
    """Return how many devices were held at once in a range: the fewest, the most, and their sum over time."""
    if start_ms >= end_ms:
        return NOTHING
    steps = profile(intervals, start_ms, end_ms)
    counts = [devices for _, devices in steps]
    ends = [at for at, _ in steps[1:]] + [end_ms]
    total = sum((end - at) * devices for (at, devices), end in zip(steps, ends, strict=True))
    return HeldDevices(min(counts), max(counts), total, end_ms - start_ms)


def held_between(intervals: Iterable[Interval[K]], bounds: Sequence[int]) -> list[HeldDevices]:
    """Return the devices held between each two neighbouring bounds (ms, rising), in one pass over all of them."""
    steps = profile(intervals, bounds[0], bounds[-1])
    ends = [at for at, _ in steps[1:]] + [bounds[-1]]
    place, pieces = 0, []
    for start, end in pairwise(bounds):
        first = place
        while ends[place] < end:
            place += 1
        here = range(first, place + 1)
        total = sum((min(ends[i], end) - max(steps[i][0], start)) * steps[i][1] for i in here)
        levels = [steps[i][1] for i in here]
        pieces.append(HeldDevices(min(levels), max(levels), total, end - start))
        place = min(place + (ends[place] == end), len(steps) - 1)
    return pieces


def profile(intervals: Iterable[Interval[K]], start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """Return the devices held at once as steps (from ms, devices): at the start of the range and at each change."""
    changes: defaultdict[int, int] = defaultdict(int, {start_ms: 0})
    for _, start, end, devices in clip(intervals, start_ms, end_ms):
        changes[start] += devices
        changes[end] -= devices
    changes.pop(end_ms, None)
    steps: list[tuple[int, int]] = []
    level = 0
    for at in sorted(changes):
        level += changes[at]
        if not steps or steps[-1][1] != level:
            steps.append((at, level))
    return steps


def without(whole: tuple[int, int], holes: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return what is left of a span (start, end) without other spans, in order and without empty pieces."""
    at, end = whole
    pieces = []
    for begun, ended in sorted(holes):
        pieces.append((at, min(begun, end)))
        at = max(at, ended)
    return [(first, last) for first, last in (*pieces, (at, end)) if first < last]


def length(pieces: Iterable[tuple[int, int]]) -> int:
    """Return the total length of spans (start, end) that do not overlap."""
    return sum(last - first for first, last in pieces)


def percentage(devices: int | Fraction, capacity: int) -> Fraction:
    """Return a number of devices in percent of a capacity, exactly; 0 when there is no capacity."""
    return Fraction(100 * devices, capacity) if capacity else Fraction(0)
