"""What was held, read from the allocations: the only source of usage."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import CharField, Expression, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from backends.choices import DEFAULT_GROUP
from backends.models import FormerModel
from core.clock import to_ms
from scheduler.models import Allocation
from usage.metering import Interval, Stay


class UsageKind(NamedTuple):
    """The token that held device-time, and on what; usage is grouped by these fields."""

    token: int
    sda_model: int
    group: int
    device_model: str


_former = FormerModel.objects.filter(device=OuterRef("device"), until__gt=OuterRef("started_at")).order_by("until")
KIND: Mapping[str, Expression | F] = {
    "token": F("token_id"),
    "sda_model": Coalesce("sda_model", "sda__model"),
    "group": Coalesce("group", "job__group", "sda__model_group__backend_group", Value(DEFAULT_GROUP)),
    "device_model": Coalesce(Subquery(_former.values("model")[:1]), "device__model", output_field=CharField()),
}
"""How each field of a UsageKind is read from an allocation."""


def overlapping(start: datetime, end: datetime, tokens: Sequence[int] | None = None) -> QuerySet[Allocation]:
    """Return the allocations of which some part lies in a range; `tokens`: None for all."""
    inside = Q(started_at__lt=end) & (Q(ended_at__isnull=True) | Q(ended_at__gt=start))
    whose = Q() if tokens is None else Q(token__in=tokens)
    return Allocation.objects.filter(inside, whose).order_by()


def intervals(start: datetime, end: datetime, *, tokens: Sequence[int] | None = None) -> Iterator[Interval[int]]:
    """Yield what was held in a range, by token id; open allocations have no end. `tokens`: None for all."""
    chosen = overlapping(start, end, tokens)
    for pk, begun, ended in chosen.values_list("token_id", "started_at", "ended_at").iterator(chunk_size=5000):
        yield Interval(pk, to_ms(begun), to_ms(ended) if ended else None)


def stays(start: datetime, end: datetime, tokens: Sequence[int] | None = None) -> Iterator[Stay[UsageKind]]:
    """Yield what was held in a range by kind, with the time at which each job was ready; reservations have none."""
    chosen = overlapping(start, end, tokens)
    times = ("started_at", "ready_at", "ended_at", "job_id", "job__started_at")
    for *who, begun, ready, ended, job, running in chosen.values_list(*KIND.values(), *times).iterator(chunk_size=5000):
        yield Stay(UsageKind(*who), to_ms(begun), _ms(ready if ended else running), _ms(ended), reserved=job is None)


def _ms(at: datetime | None) -> int | None:
    return to_ms(at) if at else None
