"""Dry run: whether and when a job would start if it were submitted, and what would let it start. Reads only."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from core.clock import db_now, to_ms
from core.snapshot import one_snapshot
from scheduler.cycle.bind import as_ms
from scheduler.cycle.limits import read_limits
from scheduler.cycle.load import WaitingRow, load, request_of
from scheduler.cycle.reserved import ReservedJob, dry_run_reserved, reserved_in_front
from scheduler.estimates.runtime_history import expected_runs
from scheduler.estimates.start_estimates import deadline
from scheduler.estimates.what_if import DEADLINE_S
from scheduler.policy.decisions import OVER_LIMITS, PendingReason, Placed, Waits
from scheduler.policy.forecast import Start, forecast
from scheduler.policy.plan import plan
from scheduler.policy.snapshot import Limits, Policy, QueuedRequest, Snapshot
from scheduler.policy.what_if import WhatIfChange, changed
from sda.models import Sda
from tokens.choices import MAX_PRIORITY
from tokens.models import Token

HYPOTHETICAL = -1  # the id of the job that is not submitted
MOST_NODES = 64  # more new nodes are not tried
MOST_LIMITS = 8  # shorter time limits that are tried
MINUTE_MS, MARGIN_MS = 60_000, 30_000  # a shorter limit is in minutes, and leaves time to submit the job


class Remedy(StrEnum):
    """A change that would let a job start at once. The values stay as they are on the wire."""

    PRIORITY = "priority"  # this priority
    NODES = "nodes"  # so many more nodes of the size of the group's largest
    MAX_DEVICES = "maxDevices"  # this limit of its token, or of one of its token's groups
    TIME_LIMIT = "timeLimit"  # this shorter time limit in seconds, so that it is over before maintenance begins


@dataclass(frozen=True, slots=True)
class DryRunParams:
    """The job of a dry run. Without `sda` it would run on a new one; without `priority` it has its token's."""

    token: Token
    devices: int
    group: int
    sda: Sda | None = None
    priority: int | None = None
    time_limit: timedelta | None = None


@dataclass(frozen=True, slots=True)
class DryRunResult:
    """The job's place; its pending reason, or None if it would start at once; its start, or None if unknown.

    `remedies`: changes of which each alone would let it start at once.
    """

    place: int
    waits: Waits | None
    start: Start | None
    remedies: Sequence[tuple[Remedy, int]] = ()


def dry_run(params: DryRunParams, *, deadline_s: float = DEADLINE_S) -> DryRunResult:
    """Return whether and when a job would start if it were submitted now.

    `deadline_s`: seconds of the forecast, and of the search for remedies.
    """
    with one_snapshot():
        params = replace(params, token=Token.objects.get(pk=params.token.pk))
        if params.sda and params.sda.reserved:
            return _on_reserved(params, params.sda)
        hypothetical = _row(params)
        request = request_of(hypothetical)
        snapshot = load(params.group, everyone=True, extra=[hypothetical])
        expected = expected_runs(snapshot, [request])
        fair = snapshot.rules.policy is Policy.FAIR
        in_front = reserved_in_front(params.group, request.priority, fair=fair)
    changed_snapshot = changed(snapshot, WhatIfChange(submit=(request,)))
    place, waits = _decide(changed_snapshot)
    found = forecast(changed_snapshot, expected, enough=deadline(deadline_s))
    remedies = list(_remedies(snapshot, request, waits, deadline(deadline_s))) if waits else []
    return DryRunResult(in_front + place, waits, found.starts.get(HYPOTHETICAL), remedies)


def _on_reserved(params: DryRunParams, sda: Sda) -> DryRunResult:
    """Return the result for a job on a reserved SDA, which holds the devices already."""
    stopped = params.token.pk in read_limits([params.token.pk]).stopped
    place, waits = dry_run_reserved(
        params.group,
        ReservedJob(HYPOTHETICAL, sda.pk, params.devices, stopped, as_ms(params.time_limit)),
        _priority(params),
    )
    return DryRunResult(place, waits, None)


def _priority(params: DryRunParams) -> int:
    return params.token.priority if params.priority is None else params.priority


def _row(params: DryRunParams) -> WaitingRow:
    token, sda = params.token, params.sda
    priority = _priority(params)
    slots = token.max_duplicates if sda else 0
    at_ms = to_ms(db_now())
    return WaitingRow(
        HYPOTHETICAL, token.pk, sda.pk if sda else 0, params.devices, priority, at_ms, params.time_limit, slots
    )


def _decide(changed_snapshot: Snapshot) -> tuple[int, Waits | None]:
    """Plan, and return the place of the job among those of the plan with its pending reason, or None if it starts."""
    for place, decision in enumerate(plan(changed_snapshot), 1):
        if decision.request_id == HYPOTHETICAL:
            return place, None if isinstance(decision, Placed) else decision
    raise LookupError(HYPOTHETICAL)


def _remedies(
    snapshot: Snapshot, request: QueuedRequest, waits: Waits, enough: Callable[[], bool]
) -> Iterator[tuple[Remedy, int]]:
    """Yield the remedies that were planned and let the job start at once, as long as there is time."""
    if waits.reason is PendingReason.TOKEN_STOPPED:
        return
    if waits.reason in OVER_LIMITS:
        yield from _higher_limit(snapshot, request, waits, enough)
        return
    if waits.reason is PendingReason.MAINTENANCE:
        yield from _shorter_limit(snapshot, request)
    first = max((one.priority for one in snapshot.queue), default=request.priority) + 1
    if request.priority < first <= MAX_PRIORITY and _starts(snapshot, request._replace(priority=first)):
        yield Remedy.PRIORITY, first
    number = 1
    while snapshot.largest_node and number <= MOST_NODES and not enough():
        if _starts(snapshot, request, (snapshot.largest_node,) * number):
            yield Remedy.NODES, number
            return
        number *= 2


def _shorter_limit(snapshot: Snapshot, request: QueuedRequest) -> Iterator[tuple[Remedy, int]]:
    """Try time limits that end before a maintenance window begins, the longest first."""
    begins = {node.until_ms - snapshot.now_ms - MARGIN_MS for node in snapshot.nodes if node.until_ms is not None}
    minutes = {left_ms // MINUTE_MS for left_ms in begins if request.limit_ms is None or left_ms < request.limit_ms}
    for number in sorted((one for one in minutes if one > 0), reverse=True)[:MOST_LIMITS]:
        if _starts(snapshot, request._replace(limit_ms=number * MINUTE_MS)):
            yield Remedy.TIME_LIMIT, 60 * number
            return


def _higher_limit(
    snapshot: Snapshot, request: QueuedRequest, waits: Waits, enough: Callable[[], bool]
) -> Iterator[tuple[Remedy, int]]:
    """Raise the limit that the job exceeds until it starts, or until something else stops it.

    Jobs in front of it under the same limit use the higher limit first.
    """
    groups = (
        snapshot.limits.groups_of.get(request.token_id, ())
        if waits.reason is PendingReason.OVER_GROUP_LIMIT
        else (None,)
    )
    for group in groups:
        limits = snapshot.limits
        limit = limits.tokens[request.token_id] if group is None else limits.groups[group]
        most, now = max(limit.most + 1, limit.held + request.devices), waits
        while now.reason is waits.reason and not enough():
            changed_snapshot = replace(snapshot, limits=_raised(snapshot.limits, request.token_id, group, most))
            _place, still = _decide(changed(changed_snapshot, WhatIfChange(submit=(request,))))
            if still is None:
                yield Remedy.MAX_DEVICES, most
                return
            if still.reason is not waits.reason or still.needed <= most:
                break
            most, now = still.needed, still


def _raised(limits: Limits, token: int, group: int | None, most: int) -> Limits:
    """Return limits with another limit for a token, or for one of its groups."""
    if group is None:
        return replace(limits, tokens={**limits.tokens, token: replace(limits.tokens[token], most=most)})
    return replace(limits, groups={**limits.groups, group: replace(limits.groups[group], most=most)})


def _starts(snapshot: Snapshot, request: QueuedRequest, add: tuple[int, ...] = ()) -> bool:
    return _decide(changed(snapshot, WhatIfChange(submit=(request,), add=add)))[1] is None
