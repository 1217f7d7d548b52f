"""Who holds the devices of a group now."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Q

from moreh_cloud.lib.clock import to_ms
from scheduler.models import Allocation
from scheduler.policy.snapshot import Running
from scheduler.queries import OPEN

MS = timedelta(milliseconds=1)
ALL = Q()
WITH_A_LIMIT = Q(job__time_limit__isnull=False)
LEAVING = Q(job__leaves_at__isnull=False)


def below(priority: int) -> Q:
    """Choose jobs of a lower priority."""
    return Q(job__priority__lt=priority)


@dataclass(slots=True)
class _Held:
    token: int
    priority: int
    started_ms: int
    limit: timedelta | None
    leaving: bool
    masks: dict[int, int] = field(default_factory=dict)


def read_running(group_id: int, chosen: Q) -> Iterator[Running]:
    """Give chosen jobs that hold devices on nodes of a group, in one query; reservations have minus their SDA's id."""
    held: dict[int, _Held] = {}
    rows = Allocation.objects.filter(chosen, OPEN, device__backend__group=group_id).order_by("pk")
    for job, sda, token, priority, start, limit, leaves_at, node, index in rows.values_list(
        "job_id",
        "sda_id",
        "token_id",
        "job__priority",
        "started_at",
        "job__time_limit",
        "job__leaves_at",
        "device__backend_id",
        "device__index",
    ):
        key = job or -sda
        one = held.setdefault(key, _Held(token, priority or 0, to_ms(start), limit, leaves_at is not None))
        one.masks[node] = one.masks.get(node, 0) | 1 << index
    for key, one in held.items():
        ends_ms = None if one.limit is None else one.started_ms + one.limit // MS
        places = tuple(sorted(one.masks.items()))
        yield Running(key, one.token, one.priority, places, one.started_ms, ends_ms, one.leaving, fixed=key < 0)
