"""Start estimates of waiting jobs: workers make them from the rows, and a cache holds them for all interfaces."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from secrets import token_hex
from time import monotonic
from typing import NamedTuple

from django.core.cache import cache
from redis import RedisError

from core.clock import from_ms
from core.outage_lines import OutageLine
from core.snapshot import one_snapshot
from scheduler.cycle.load import load
from scheduler.estimates.runtime_history import expected_runs
from scheduler.policy.forecast import Basis, Start, forecast

FRESH_S = 2  # estimates are made again after this time, or after REST times the time that they took
REST = 20
CACHED_S = 120
DEADLINE_S = 2  # seconds of one forecast; a job that starts later than it reaches has no estimate
STEADY_MS, STEADY_SHARE = 5_000, 0.05  # a smaller change does not replace an estimate
VERSION = "outlook:sign"
_reading = OutageLine("outlook_not_read", "outlook_read")
_keeping = OutageLine("outlook_not_kept", "outlook_kept")
StoredStart = tuple[int, str]
"""Milliseconds and the value of the basis."""


class Estimate(NamedTuple):
    """When a waiting job is expected to start, and what that rests on."""

    at: datetime
    basis: Basis


class _Estimates(Mapping[int, Estimate]):
    """Converts only the estimates that are read: a page has a hundred of ten thousand."""

    def __init__(self, stored: Mapping[int, StoredStart]) -> None:
        self._read = stored

    def __getitem__(self, job: int) -> Estimate:
        ms, word = self._read[job]
        return Estimate(from_ms(ms), Basis(word))

    def __iter__(self) -> Iterator[int]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


def estimates(group_ids: Collection[int]) -> Mapping[int, Estimate]:
    """Return the cached estimates of some groups by job, without a query; jobs with an unknown start are absent."""
    return _Estimates(_read(group_ids) if group_ids else {})


def refresh_estimates(group_id: int) -> None:
    """Make the estimates of a group and cache them, unless they are fresh or being made."""
    with _lock(group_id) as mine:
        if not mine:
            return
        with one_snapshot():
            snapshot = load(group_id, everyone=True)
            expected = expected_runs(snapshot)
        found = forecast(snapshot, expected, enough=deadline(DEADLINE_S))
        before = _read([group_id])
        stored = {pk: _steady(before.get(pk), start, snapshot.now_ms) for pk, start in found.starts.items()}
        cache.set(_key(group_id), stored, CACHED_S)
        if stored != before:
            cache.set(VERSION, token_hex(8), None)


def estimates_version() -> str:
    """Return a text that changes with every change of an estimate."""
    try:
        version = str(cache.get(VERSION, ""))
    except RedisError as error:
        _reading.failed(error)
        return ""
    _reading.works()
    return version


def deadline(seconds: float) -> Callable[[], bool]:
    """Return a function that returns True after so many seconds; a forecast ends by it."""
    end = monotonic() + seconds
    return lambda: monotonic() > end


@contextmanager
def _lock(group_id: int) -> Iterator[bool]:
    """Yield whether the caller may make estimates now; the longer it takes, the later they are made again.

    If it fails, the next time comes as if it had not failed.
    """
    key, began = f"outlook:{group_id}:turn", monotonic()
    try:
        mine = cache.add(key, 1, CACHED_S)
    except RedisError as error:
        _keeping.failed(error, group=group_id)
        mine = False
    try:
        try:
            yield mine
        finally:
            if mine:
                cache.set(key, 1, max(FRESH_S, REST * (monotonic() - began)))
    except RedisError as error:
        _keeping.failed(error, group=group_id)
    else:
        if mine:
            _keeping.works()


def _read(group_ids: Collection[int]) -> dict[int, StoredStart]:
    """Return the cached starts; none if the cache does not answer."""
    try:
        found = cache.get_many([_key(group_id) for group_id in group_ids])
    except RedisError as error:
        _reading.failed(error)
        return {}
    _reading.works()
    return {pk: stored for of_group in found.values() for pk, stored in of_group.items()}


def _key(group_id: int) -> str:
    return f"outlook:{group_id}"


def _steady(before: StoredStart | None, start: Start, now_ms: int) -> StoredStart:
    """Return the earlier estimate as long as it is about right, so that clients see no change."""
    if before and before[1] == start.basis:
        about_right = max(STEADY_MS, STEADY_SHARE * (start.at_ms - now_ms))
        if before[0] >= now_ms and abs(before[0] - start.at_ms) <= about_right:
            return before
    return start.at_ms, start.basis.value
