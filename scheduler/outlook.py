"""When waiting jobs will start: estimated from today's rows by workers, and kept for all who show it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex
from statistics import median_low
from time import monotonic
from typing import NamedTuple

import structlog
from django.core.cache import cache
from redis import RedisError

from moreh_cloud.lib.clock import from_ms
from scheduler.choices import JobStatus
from scheduler.load import load
from scheduler.models import Job
from scheduler.policy.forecast import Basis, Expected, Start, forecast
from scheduler.policy.snapshot import Request, Snapshot

log = structlog.get_logger(__name__)
LATEST = 2_000  # completed jobs of the group that say how long such jobs run
FRESH_S = 2  # estimates are made again after this at the earliest, and after REST times what they took
REST = 20
KEPT_S = 120
PATIENCE_S = 2  # seconds of one look into the future; who starts later than it reaches, starts at an unknown time
STEADY_MS, STEADY_SHARE = 5_000, 0.05  # an estimate that moved by less stays as it was told before
SIGN = "outlook:sign"
MS = timedelta(milliseconds=1)
Kind = tuple[int, int]
"""Jobs of one kind: the same token asks for the same number of devices."""
Kept = tuple[int, str]
"""Milliseconds and the word of the basis."""


class Guess(NamedTuple):
    """How much longer a job holds its devices; `limited`: no longer than that, because its time limit ends it."""

    ms: int
    limited: bool = False


class Estimate(NamedTuple):
    """When a waiting job is expected to start, and what that rests on."""

    at: datetime
    basis: Basis


@dataclass(frozen=True, slots=True)
class Habits:
    """How long the latest completed jobs of each kind held their devices, in milliseconds."""

    lasted: Mapping[Kind, list[int]]

    def expect(self, kind: Kind, ran_ms: int = 0, limit_ms: int | None = None) -> Guess | None:
        """Say how much longer such a job holds its devices: the median of those that ran for longer than it has.

        Never longer than its limit; None when nobody knows.
        """
        longer = [ms for ms in self.lasted.get(kind, ()) if ms > ran_ms]
        left = median_low(longer) - ran_ms if longer else None
        rest = None if limit_ms is None else max(0, limit_ms - ran_ms)
        if rest is not None and (left is None or rest < left):
            return Guess(rest, limited=True)
        return None if left is None else Guess(left)


class _Estimates(Mapping[int, Estimate]):
    """Turns only those into estimates that are asked for: a page shows a hundred of ten thousand."""

    def __init__(self, kept: Mapping[int, Kept]) -> None:
        self._kept = kept

    def __getitem__(self, job: int) -> Estimate:
        ms, word = self._kept[job]
        return Estimate(from_ms(ms), Basis(word))

    def __iter__(self) -> Iterator[int]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


def estimates(group_ids: Collection[int]) -> Mapping[int, Estimate]:
    """Give the kept estimates of some groups by job; jobs are missing whose start nobody knows. No query."""
    return _Estimates(_kept(group_ids) if group_ids else {})


def look_ahead(group_id: int) -> None:
    """Make the estimates of a group again and keep them, unless that was done a moment ago or is being done."""
    with _turn(group_id) as mine:
        if not mine:
            return
        snapshot = load(group_id, everyone=True)
        seen = forecast(snapshot, expected_in(snapshot), enough=patience(PATIENCE_S))
        before = _kept([group_id])
        kept = {pk: _steady(before.get(pk), start, snapshot.now_ms) for pk, start in seen.starts.items()}
        cache.set(_key(group_id), kept, KEPT_S)
        if kept != before:
            cache.set(SIGN, token_hex(8), None)


def read_sign() -> str:
    """Give a sign that stays the same as long as no estimate changes."""
    try:
        return str(cache.get(SIGN, ""))
    except RedisError as error:
        log.warning("outlook_not_read", error=type(error).__name__)
        return ""


def patience(seconds: float) -> Callable[[], bool]:
    """Give what says, so many seconds from now, that a look into the future has gone far enough."""
    end = monotonic() + seconds
    return lambda: monotonic() > end


def expected_in(snapshot: Snapshot, guests: Iterable[Request] = ()) -> Expected:
    """Expect of the jobs of a snapshot what the latest jobs of their kinds did, and their time limits."""
    habits = habits_of(snapshot.group_id)
    runs = {r.id: habits.expect((r.token_id, r.devices), 0, r.limit_ms) for r in (*snapshot.queue, *guests)}
    remaining = {
        job.id: habits.expect(
            (job.token_id, sum(mask.bit_count() for _node, mask in job.devices)),
            max(0, snapshot.now_ms - job.started_ms),
            None if job.ends_ms is None else job.ends_ms - job.started_ms,
        )
        for job in snapshot.running
        if not job.fixed
    }
    known = {pk: guess for pk, guess in (*runs.items(), *remaining.items()) if guess is not None}
    return Expected(
        {pk: known[pk].ms for pk in runs if pk in known},
        {pk: known[pk].ms for pk in remaining if pk in known},
        frozenset(pk for pk, guess in known.items() if guess.limited),
    )


def habits_of(group_id: int) -> Habits:
    """Look at the latest completed jobs of a group, in one query."""
    done = Job.objects.filter(group=group_id, status=JobStatus.COMPLETED, submitted_at__isnull=False)
    lasted: dict[Kind, list[int]] = {}
    rows = done.order_by("-ended_at", "-pk").values_list("token_id", "num_devices", "submitted_at", "ended_at")
    for token, devices, start, end in rows[:LATEST]:
        if start is not None and end is not None:
            lasted.setdefault((token, devices), []).append((end - start) // MS)
    return Habits(lasted)


@contextmanager
def _turn(group_id: int) -> Iterator[bool]:
    """Tell whether it is the caller's turn to look ahead; the longer that takes, the later the next turn comes."""
    key, began = f"outlook:{group_id}:turn", monotonic()
    try:
        mine = cache.add(key, 1, KEPT_S)
        yield mine
        if mine:
            cache.set(key, 1, max(FRESH_S, REST * (monotonic() - began)))
    except RedisError as error:
        log.warning("outlook_not_kept", group=group_id, error=type(error).__name__)


def _kept(group_ids: Collection[int]) -> dict[int, Kept]:
    """Read what is kept; without the cache nobody knows anything."""
    try:
        found = cache.get_many([_key(group_id) for group_id in group_ids])
    except RedisError as error:
        log.warning("outlook_not_read", error=type(error).__name__)
        return {}
    return {pk: kept for of_group in found.values() for pk, kept in of_group.items()}


def _key(group_id: int) -> str:
    return f"outlook:{group_id}"


def _steady(before: Kept | None, start: Start, now_ms: int) -> Kept:
    """Tell the time that was told before as long as it is about right: who polls or listens then hears nothing new."""
    if before and before[1] == start.basis:
        about_right = max(STEADY_MS, STEADY_SHARE * (start.at_ms - now_ms))
        if before[0] >= now_ms and abs(before[0] - start.at_ms) <= about_right:
            return before
    return start.at_ms, start.basis.value
