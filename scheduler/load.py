from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Case, Count, F, Func, IntegerField, Q, QuerySet, Sum, Value, When

from backends.choices import BackendStatus, DeviceStatus
from backends.models import BackendGroup, Device
from backends.queries import heard
from moreh_cloud.lib.clock import db_now, to_ms
from scheduler.choices import HOLDING
from scheduler.limits import read_limits
from scheduler.models import WAITING, Job
from scheduler.policy.snapshot import Node, Policy, Request, Rules, Running, Snapshot
from scheduler.queries import QUEUE_ORDER
from scheduler.running import ALL, LEAVING, WITH_A_LIMIT, below, read_running
from scheduler.sharing import spent

NO_LIMIT = 0
MS = timedelta(milliseconds=1)
BIT = Func(F("index"), template="(1 << %(expressions)s)", output_field=IntegerField())


class _Row(NamedTuple):
    pk: int
    token: int
    sda: int
    devices: int
    priority: int
    requested_at: datetime
    time_limit: timedelta | None
    max_duplicates: int


def load(group_id: int, *, everyone: bool = False) -> Snapshot:
    """Read everything that one tick of a group may know, in a number of queries that only its policy decides.

    `everyone`: every running job, for a forecast; a plan needs only those that its policy looks at.
    """
    group = BackendGroup.objects.get(pk=group_id)
    rules = rules_of(group)
    rows = [_Row(*row) for row in _waiting(group_id)]
    tokens = {row.token for row in rows}
    now = db_now()
    sizes, nodes = _nodes(group_id, now)
    return Snapshot(
        group_id=group_id,
        combine=group.combine,
        nodes=nodes,
        queue=tuple(_request(row) for row in rows),
        capacity=sum(sizes),
        largest_node=max(sizes, default=0),
        sda_slots=_slots({row.sda: row.max_duplicates for row in rows if row.max_duplicates != NO_LIMIT}),
        rules=rules,
        now_ms=to_ms(now),
        running=_running(group_id, rules, rows, everyone=everyone),
        limits=read_limits(tokens),
        spent=spent(tokens, now) if rules.policy is Policy.FAIR else {},
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


def _request(row: _Row) -> Request:
    limit_ms = None if row.time_limit is None else row.time_limit // MS
    return Request(row.pk, row.token, row.sda, row.devices, row.priority, to_ms(row.requested_at), limit_ms)


def _waiting(group_id: int) -> Iterable[tuple[int, int, int, int, int, datetime, timedelta | None, int]]:
    queue: QuerySet[Job] = Job.objects.filter(WAITING, group=group_id, sda__reserved=False)
    return queue.order_by(*QUEUE_ORDER).values_list(
        "pk",
        "token_id",
        "sda_id",
        "num_devices",
        "priority",
        "requested_at",
        "time_limit",
        "token__max_duplicates",
    )


def _nodes(group_id: int, now: datetime) -> tuple[list[int], tuple[Node, ...]]:
    """Give the sizes of all nodes of the group, and those on which something may be placed."""
    here = Q(backend__status=BackendStatus.ACTIVE) & _of_backend(heard(now))
    rows = (
        Device.objects.filter(backend__group=group_id, backend__deleted_at__isnull=True)
        .values("backend_id")
        .annotate(
            size=Count("pk"),
            free=_mask_of(DeviceStatus.IDLE),
            coming=_mask_of(DeviceStatus.CLEANING),
            present=Count("pk", filter=here),
        )
        .order_by("backend_id")
        .values_list("backend_id", "free", "size", "coming", "present")
    )
    found = list(rows)
    nodes = tuple(Node(pk, free, size, coming) for pk, free, size, coming, present in found if present)
    return [size for _pk, _free, size, _coming, _present in found], nodes


def _mask_of(status: DeviceStatus) -> Sum:
    draining = {} if status == DeviceStatus.IDLE else {"drain_to": ""}
    bit = Case(When(status=status, then=BIT, **draining), default=Value(0), output_field=IntegerField())
    return Sum(bit)


def _of_backend(condition: Q) -> Q:
    """Ask of a device's backend what `condition` asks of a backend."""
    return Q(*((f"backend__{name}", value) for name, value in condition.children))  # type: ignore[misc]


def _slots(limits: dict[int, int]) -> dict[int, int]:
    """Give how many more jobs may start on each limited SDA now."""
    held = Counter(Job.objects.filter(sda__in=limits, status__in=HOLDING).values_list("sda_id", flat=True))
    return {sda: max(0, limit - held[sda]) for sda, limit in limits.items()}


def _running(group_id: int, rules: Rules, rows: list[_Row], *, everyone: bool) -> tuple[Running, ...]:
    """Give the running jobs that a plan under these rules looks at, or everyone."""
    if everyone:
        return tuple(read_running(group_id, ALL))
    wanted = [WITH_A_LIMIT] if rules.policy is Policy.BACKFILL else []
    if rules.preempt and rows:
        wanted += [LEAVING, below(max(row.priority for row in rows))]
    return tuple(read_running(group_id, Q(*wanted, _connector=Q.OR))) if wanted and rows else ()
