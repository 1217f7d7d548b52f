from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q, QuerySet

from backends.models import BackendGroup
from backends.rooms import Room, fitting_rooms, read_rooms
from moreh_cloud.lib.clock import Milliseconds, db_now, to_ms
from scheduler.choices import HOLDING
from scheduler.limits import read_limits
from scheduler.models import WAITING, Job
from scheduler.policy.snapshot import Node, Policy, Request, Rules, Running, Snapshot
from scheduler.queries import QUEUE_ORDER
from scheduler.running import ALL, LEAVING, WITH_A_LIMIT, below, read_running
from scheduler.sharing import spent

NO_LIMIT = 0
MS = timedelta(milliseconds=1)
FEW = 32  # jobs, and
MOST = 64  # devices of a queue that is not worth a look at every node


class Row(NamedTuple):
    """A waiting job as it is read; one that is only asked about has an id below 0."""

    pk: int
    token: int
    sda: int
    devices: int
    priority: int
    requested_ms: int
    time_limit: timedelta | None
    max_duplicates: int


def load(group_id: int, *, everyone: bool = False, guests: Sequence[Row] = ()) -> Snapshot:
    """Read everything that one tick of a group may know, in a number of queries that only its policy decides.

    `everyone`: every running job and what tokens used, whatever the policy, for a forecast. `guests` are jobs that are
    not there and stay out of the queue, of whose tokens and SDAs all is read that is read of others'.
    """
    now = db_now()
    waiting = _waiting(group_id)
    return _snapshot(group_id, waiting, read_rooms(group_id, now), now, everyone=everyone, guests=guests)


def load_few(group_id: int, *, lock: bool = False) -> Snapshot | None:
    """Read a short queue with only those nodes that it may get; None when it is long, or nobody keeps the rooms.

    A plan in which all of it starts is the plan of `load`; else its reasons do not count, and `load` is needed.
    `lock`: nobody changes what its limits count before the caller's transaction is over.
    """
    waiting = _waiting(group_id, FEW + 1)
    devices = sum(row.devices for row in waiting)
    if not 0 < len(waiting) <= FEW or devices > MOST:
        return None
    now = db_now()
    rooms = fitting_rooms(group_id, now, devices)
    return None if rooms is None else _snapshot(group_id, waiting, rooms, now, lock=lock)


def _snapshot(
    group_id: int,
    waiting: Sequence[Row],
    rooms: Sequence[Room],
    now: datetime,
    *,
    everyone: bool = False,
    guests: Sequence[Row] = (),
    lock: bool = False,
) -> Snapshot:
    group = BackendGroup.objects.get(pk=group_id)
    rules = rules_of(group)
    rows = [*waiting, *guests]
    tokens = {row.token for row in rows}
    sizes = [room.size for room in rooms]
    return Snapshot(
        group_id=group_id,
        combine=group.combine,
        nodes=tuple(Node(pk, idle, size, coming) for pk, idle, size, coming, present in rooms if present),
        queue=tuple(request_of(row) for row in waiting),
        capacity=sum(sizes),
        largest_node=max(sizes, default=0),
        sda_slots=_slots({row.sda: row.max_duplicates for row in rows if row.max_duplicates != NO_LIMIT}),
        rules=rules,
        now_ms=to_ms(now),
        running=_running(group_id, rules, rows, everyone=everyone),
        limits=read_limits(tokens, lock=lock),
        spent=spent(tokens, now) if everyone or rules.policy is Policy.FAIR else {},
    )


def rules_of(group: BackendGroup) -> Rules:
    """Give what an operator has chosen for a group, in the policy's terms."""
    return Rules(
        policy=Policy(group.policy),
        guard_ms=group.guard_s * 1000,
        preempt=group.preempt,
        min_run_ms=group.min_run_s * 1000,
        draining=group.draining,
    )


def request_of(row: Row) -> Request:
    """Give a waiting job in the policy's terms."""
    limit_ms = None if row.time_limit is None else row.time_limit // MS
    return Request(*row[:6], limit_ms)  # up to the limit both have the same fields


def _waiting(group_id: int, most: int | None = None) -> list[Row]:
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
    return [Row(*row) for row in rows[:most]]


def _slots(limits: dict[int, int]) -> dict[int, int]:
    """Give how many more jobs may start on each limited SDA now."""
    held = Counter(Job.objects.filter(sda__in=limits, status__in=HOLDING).values_list("sda_id", flat=True))
    return {sda: max(0, limit - held[sda]) for sda, limit in limits.items()}


def _running(group_id: int, rules: Rules, rows: list[Row], *, everyone: bool) -> tuple[Running, ...]:
    """Give the running jobs that a plan under these rules looks at, or everyone."""
    if everyone:
        return tuple(read_running(group_id, ALL))
    wanted = [WITH_A_LIMIT] if rules.policy is Policy.BACKFILL else []
    if rules.preempt and rows:
        wanted += [LEAVING, below(max(row.priority for row in rows))]
    return tuple(read_running(group_id, Q(*wanted, _connector=Q.OR))) if wanted and rows else ()
