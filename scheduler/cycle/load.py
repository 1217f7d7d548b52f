"""Load a snapshot: everything that a plan may know, read from the rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q, QuerySet

from backends.models import BackendGroup
from backends.node_capacity import NodeCapacity, fitting_node_capacities, read_node_capacities
from backends.queries import racks_of
from core.clock import Milliseconds, db_now, to_ms
from scheduler.choices import HOLDING
from scheduler.cycle.fair_share import decayed_usage
from scheduler.cycle.limits import read_limits
from scheduler.cycle.maintenance import read_maintenance
from scheduler.cycle.running import (
    ALL,
    PREEMPTED,
    WITH_A_LIMIT,
    below,
    read_running,
    read_staying,
    read_unavailable,
    since,
)
from scheduler.models import WAITING, Job
from scheduler.policy.maintenance import Windows, with_maintenance
from scheduler.policy.snapshot import Node, Policy, QueuedRequest, Rules, Running, Snapshot, with_unavailable
from scheduler.policy.window import window
from scheduler.queries.queue import QUEUE_ORDER

NO_LIMIT = 0
MS = timedelta(milliseconds=1)
FEW = 32  # jobs, and
MOST = 64  # devices; a longer queue is not a short one


class WaitingRow(NamedTuple):
    """The columns of a waiting job; a job of a dry run does not exist and has an id below 0."""

    pk: int
    token: int
    sda: int
    devices: int
    priority: int
    requested_ms: int
    time_limit: timedelta | None
    max_duplicates: int


def load(group_id: int, *, everyone: bool = False, extra: Sequence[WaitingRow] = (), racks: bool = False) -> Snapshot:
    """Return the snapshot of a group; the number of queries depends only on its rules.

    `everyone`: read all running jobs, the decayed usage and what no job can get whatever the policy, for a forecast.
    `extra`: jobs that do not exist; they are not in the queue, but their tokens and SDAs are read as well.
    `racks`: read the racks of the nodes also if the rules do not ask for them.
    """
    now = db_now()
    waiting = _waiting(group_id)
    capacities, maintenance = read_node_capacities(group_id, now), read_maintenance(group_id, to_ms(now))
    snapshot = _snapshot(
        group_id, waiting, capacities, now, everyone=everyone, extra=extra, racks=racks or None, maintenance=maintenance
    )
    return with_unavailable(snapshot, read_unavailable(group_id)) if everyone or snapshot.is_guarded else snapshot


def load_short_queue(group_id: int, *, lock: bool = False) -> Snapshot | None:
    """Return the snapshot of a short queue with only the nodes that fit; None if it is long or on SQLite.

    If all its jobs start, the plan is the same as with `load`, except for jobs over several nodes where one rack is
    preferred (see `all_start`); otherwise its pending reasons are wrong, and `load` is needed. `lock`: as for
    `read_limits`.
    """
    waiting = _waiting(group_id, FEW + 1)
    devices = sum(row.devices for row in waiting)
    if not 0 < len(waiting) <= FEW or devices > MOST:
        return None
    now = db_now()
    capacities = fitting_node_capacities(group_id, now, devices)
    return None if capacities is None else _snapshot(group_id, waiting, capacities, now, lock=lock, racks=False)


def _snapshot(
    group_id: int,
    waiting: Sequence[WaitingRow],
    capacities: Sequence[NodeCapacity],
    now: datetime,
    *,
    everyone: bool = False,
    extra: Sequence[WaitingRow] = (),
    lock: bool = False,
    racks: bool | None = None,
    maintenance: Windows | None = None,
) -> Snapshot:
    group = BackendGroup.objects.select_related("queue").get(pk=group_id)
    rules, heads, now_ms = rules_of(group), _heads(group), to_ms(now)
    rows = [*waiting, *extra]
    tokens = {row.token for row in rows}
    sizes = [capacity.size for capacity in capacities]
    rack_of = racks_of(group_id) if (group.one_rack if racks is None else racks) else {}
    nodes = _nodes(group_id, capacities, rules, rack_of, everyone=everyone)
    return Snapshot(
        group_id=group_id,
        combine=group.combine,
        nodes=with_maintenance(nodes, maintenance or {}),
        queue=tuple(request_of(row) for row in waiting),
        capacity=sum(sizes),
        largest_node=max(sizes, default=0),
        sda_slots=_slots({row.sda: row.max_duplicates for row in rows if row.max_duplicates != NO_LIMIT}),
        rules=rules,
        now_ms=now_ms,
        running=_running(group_id, _chosen(rules, rows, heads, now_ms, everyone=everyone)),
        limits=read_limits(tokens, lock=lock),
        decayed_usage=decayed_usage(tokens, now) if everyone or rules.policy is Policy.FAIR else {},
        heads=heads,
        away={capacity.backend_id: capacity.size for capacity in capacities if not capacity.present},
        maintenance=maintenance or {},
    )


def _nodes(
    group_id: int, capacities: Sequence[NodeCapacity], rules: Rules, racks: Mapping[int, str], *, everyone: bool
) -> tuple[Node, ...]:
    """Return the nodes in service; a device that is cleaned for a reserved SDA comes free for nobody."""
    counts = everyone or rules.preempt or rules.policy is Policy.BACKFILL  # else no plan asks what comes free
    staying = read_staying(group_id) if counts and any(capacity.coming for capacity in capacities) else {}
    return tuple(
        Node(pk, idle, size, coming & ~staying.get(pk, 0), racks.get(pk, ""))
        for pk, idle, size, coming, present in capacities
        if present
    )


def rules_of(group: BackendGroup) -> Rules:
    """Return the settings of a group as the policy needs them."""
    return Rules(
        policy=Policy(group.policy),
        guard_ms=group.guard_s * 1000,
        preempt=group.preempt,
        min_run_ms=group.min_run_s * 1000,
        draining=group.draining,
        one_rack=group.one_rack,
    )


def request_of(row: WaitingRow) -> QueuedRequest:
    """Return a waiting job as the policy needs it."""
    limit_ms = None if row.time_limit is None else row.time_limit // MS
    return QueuedRequest(*row[:6], limit_ms)  # up to the limit both have the same fields


def _waiting(group_id: int, most: int | None = None) -> list[WaitingRow]:
    queue: QuerySet[Job] = Job.objects.filter(WAITING, group=group_id, sda__reserved=False)
    rows = queue.order_by(*QUEUE_ORDER).values_list(
        "pk",
        "token_id",
        "sda_id",
        "num_devices",
        "priority",
        Milliseconds("requested_at"),
        "time_limit",
        "token__max_duplicates",
    )
    return [WaitingRow(*row) for row in rows[:most]]


def _slots(limits: dict[int, int]) -> dict[int, int]:
    """Return how many more jobs may start on each limited SDA now."""
    held = Counter(Job.objects.filter(sda__in=limits, status__in=HOLDING).values_list("sda_id", flat=True))
    return {sda: max(0, limit - held[sda]) for sda, limit in limits.items()}


def _heads(group: BackendGroup) -> dict[int, int]:
    """Return since when jobs have been at the head of a group's queue."""
    queue = getattr(group, "queue", None)  # a group has none until its first tick
    return {int(job): since_ms for job, since_ms in queue.heads.items() if job.isdecimal()} if queue else {}


def _running(group_id: int, chosen: Q | None) -> tuple[Running, ...]:
    return () if chosen is None else tuple(read_running(group_id, chosen))


def _chosen(
    rules: Rules, rows: Sequence[WaitingRow], heads: Mapping[int, int], now_ms: int, *, everyone: bool
) -> Q | None:
    """Return a filter for the running jobs that a plan under these rules needs; None for none."""
    if everyone:
        return ALL
    if not rows:
        return None
    wanted = []
    if rules.policy is Policy.BACKFILL:
        open_now = [now for since_ms in heads.values() if (now := window(since_ms, rules.guard_ms, now_ms))]
        if not rules.guard_ms:
            return ALL
        wanted += [WITH_A_LIMIT, *(since(now.young_ms) for now in open_now if now.young_ms is not None)]
    if rules.preempt:
        wanted += [PREEMPTED, below(max(row.priority for row in rows))]
    return Q(*wanted, _connector=Q.OR) if wanted else None
