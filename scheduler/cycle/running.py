"""Jobs and reserved SDAs that hold devices of a group now, and the devices that no job can get."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Count, Exists, OuterRef, Q

from backends.choices import HELD, DeviceStatus
from backends.models import Device
from core.clock import from_ms, to_ms
from scheduler.models import Allocation
from scheduler.policy.snapshot import Running
from scheduler.queries.allocations import OPEN

MS = timedelta(milliseconds=1)
ALL = Q()
SERVING = (DeviceStatus.IDLE, *HELD, DeviceStatus.CLEANING)
WITH_A_LIMIT = Q(job__time_limit__isnull=False)
PREEMPTED = Q(job__preempt_at__isnull=False)


def since(ms: int) -> Q:
    """Return a filter for jobs that hold their devices since then or later."""
    return Q(started_at__gte=from_ms(ms))


def below(priority: int) -> Q:
    """Return a filter for jobs of a lower priority."""
    return Q(job__priority__lt=priority)


def read_unavailable(group_id: int) -> dict[int, int]:
    """Return how many devices of nodes of a group no job gets, whoever ends; one query.

    Those are out of service, draining, or held by a reserved SDA.
    """
    reserved = Allocation.objects.filter(OPEN, job__isnull=True).values("device")
    lost = ~Q(status__in=SERVING) | ~Q(drain_to="") | Q(pk__in=reserved)
    rows = Device.objects.filter(lost, backend__group=group_id, backend__deleted_at__isnull=True)
    return dict(rows.order_by().values_list("backend").annotate(Count("pk")))


def read_staying(group_id: int) -> dict[int, int]:
    """Return the masks of devices of nodes of a group that are cleaned for the reserved SDA that holds them; one query.

    They are not free afterwards.
    """
    held = Allocation.objects.filter(OPEN, device=OuterRef("pk"), job__isnull=True)
    rows = Device.objects.filter(Exists(held), status=DeviceStatus.CLEANING, backend__group=group_id).order_by()
    masks: dict[int, int] = {}
    for node, index in rows.values_list("backend_id", "index"):
        masks[node] = masks.get(node, 0) | 1 << index
    return masks


@dataclass(slots=True)
class _Holder:
    token: int
    priority: int
    started_ms: int
    limit: timedelta | None
    preempted: bool
    masks: dict[int, int] = field(default_factory=dict)
    lost: dict[int, int] = field(default_factory=dict)


def read_running(group_id: int, chosen: Q) -> Iterator[Running]:
    """Yield chosen jobs that hold devices of a group, in one query; the id of a reserved SDA is negative."""
    held: dict[int, _Holder] = {}
    rows = Allocation.objects.filter(chosen, OPEN, device__backend__group=group_id).order_by("pk")
    for job, sda, token, priority, start, limit, preempt_at, node, index, drain_to in rows.values_list(
        "job_id",
        "sda_id",
        "token_id",
        "job__priority",
        "started_at",
        "job__time_limit",
        "job__preempt_at",
        "device__backend_id",
        "device__index",
        "device__drain_to",
    ):
        key = job or -sda
        one = held.setdefault(key, _Holder(token, priority or 0, to_ms(start), limit, preempt_at is not None))
        one.masks[node] = one.masks.get(node, 0) | 1 << index
        if drain_to:
            one.lost[node] = one.lost.get(node, 0) | 1 << index
    for key, one in held.items():
        ends_ms = None if one.limit is None else one.started_ms + one.limit // MS
        places, lost = tuple(sorted(one.masks.items())), tuple(sorted(one.lost.items()))
        yield Running(key, one.token, one.priority, places, one.started_ms, ends_ms, one.preempted, key < 0, lost)
