from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Case, Count, F, Func, IntegerField, Q, QuerySet, Sum, Value, When

from backends.choices import BackendStatus, DeviceStatus
from backends.models import BackendGroup, Device
from backends.queries import heard
from moreh_cloud.lib.clock import db_now, to_ms
from scheduler.choices import HOLDING
from scheduler.models import WAITING, Job
from scheduler.policy.snapshot import Node, Request, Snapshot

NO_LIMIT = 0
BIT = Func(F("index"), template="(1 << %(expressions)s)", output_field=IntegerField())


def load(group_id: int) -> Snapshot:
    """Read everything that one tick of a group may know, in five queries."""
    group = BackendGroup.objects.get(pk=group_id)
    rows = list(_waiting(group_id))
    sizes, nodes = _nodes(group_id)
    return Snapshot(
        group_id=group_id,
        combine=group.combine,
        nodes=nodes,
        queue=tuple(
            Request(id=pk, token_id=token, sda_id=sda, devices=devices, priority=priority, requested_ms=to_ms(at))
            for pk, token, sda, devices, priority, at, _limit in rows
        ),
        capacity=sum(sizes),
        largest_node=max(sizes, default=0),
        sda_slots=_slots({row[2]: row[6] for row in rows if row[6] != NO_LIMIT}),
    )


def _waiting(group_id: int) -> Iterable[tuple[int, int, int, int, int, datetime, int]]:
    queue: QuerySet[Job] = Job.objects.filter(WAITING, group=group_id, sda__reserved=False)
    return queue.order_by("-priority", "requested_at", "pk").values_list(
        "pk", "token_id", "sda_id", "num_devices", "priority", "requested_at", "token__max_duplicates"
    )


def _nodes(group_id: int) -> tuple[list[int], tuple[Node, ...]]:
    """Give the sizes of all nodes of the group, and those on which something may be placed."""
    here = Q(backend__status=BackendStatus.ACTIVE) & _of_backend(heard(db_now()))
    idle = Case(When(status=DeviceStatus.IDLE, then=BIT), default=Value(0), output_field=IntegerField())
    rows = (
        Device.objects.filter(backend__group=group_id, backend__deleted_at__isnull=True)
        .values("backend_id")
        .annotate(size=Count("pk"), free=Sum(idle), present=Count("pk", filter=here))
        .order_by("backend_id")
        .values_list("backend_id", "free", "size", "present")
    )
    found = list(rows)
    nodes = tuple(Node(id=pk, free=free, size=size) for pk, free, size, present in found if present)
    return [size for _pk, _free, size, _present in found], nodes


def _of_backend(condition: Q) -> Q:
    """Ask of a device's backend what `condition` asks of a backend."""
    return Q(*((f"backend__{name}", value) for name, value in condition.children))  # type: ignore[misc]


def _slots(limits: dict[int, int]) -> dict[int, int]:
    """Give how many more jobs may start on each limited SDA now."""
    held = Counter(Job.objects.filter(sda__in=limits, status__in=HOLDING).values_list("sda_id", flat=True))
    return {sda: max(0, limit - held[sda]) for sda, limit in limits.items()}
