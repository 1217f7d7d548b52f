"""Named reads about repairs."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from backends.choices import (
    DISRUPTIVE,
    POWERS_ON,
    ActionState,
    BackendStatus,
    PowerStatus,
    PowerVerb,
    ShutdownReason,
    Verdict,
)
from backends.models import Backend, Device, Finding, PowerAction
from backends.queries.health import FAILING
from events.actor import SYSTEM
from remediation.choices import (
    ACTIVE,
    OPEN,
    REMEDIES,
    RESTING,
    HandsReason,
    Origin,
    RepairState,
    StepState,
    StepVerb,
    WaitReason,
)
from remediation.models import IS_OPEN, PENDING, Breaker, Repair, RepairStep, RepairTarget

DAY = timedelta(days=1)
DOWN = (ShutdownReason.NODE_LOST, ShutdownReason.UNHEALTHY)
SWITCHING = {*DISRUPTIVE, *POWERS_ON}
SWITCHED_OFF = (PowerVerb.OFF, PowerVerb.SOFT)
NOT_CARRIED_OUT = (ActionState.FAILED, ActionState.CANCELED)
PENDING_HERE = RepairTarget.objects.filter(PENDING)


def failed_devices() -> QuerySet[Device]:
    """Return the failed devices of nodes that are not deleted which no open repair is about."""
    rows = Device.objects.filter(verdict=Verdict.FAILED, backend__deleted_at__isnull=True)
    return rows.filter(~Exists(PENDING_HERE.filter(device=OuterRef("pk"))))


def nodes_down() -> QuerySet[Backend]:
    """Return the nodes out of service because they are lost or unhealthy, which no open repair is about."""
    rows = Backend.objects.live().filter(status=BackendStatus.SHUTDOWN, why__in=DOWN)
    restarting = Repair.objects.filter(backend=OuterRef("pk"), state=RepairState.REMEDY)
    rows = rows.filter(~Exists(restarting))  # it is silent because it is rebooted or power-cycled
    return rows.filter(~Exists(PENDING_HERE.filter(device=None, repair__backend=OuterRef("pk"))))


def due_repairs(now: datetime, most: int) -> list[int]:
    """Return the repairs that the system is to look at by now, those that are late first."""
    due = Repair.objects.filter(next_at__lte=now).order_by("next_at", "pk")
    return list(due.values_list("pk", flat=True)[:most])


def stirred_repairs(now: datetime, most: int) -> list[int]:
    """Return the repairs at rest of which a finding has ended, a device was judged anew, or the node is back.

    A node that is back is looked at soon; after a check that it did not pass, again after a while. What an operator
    lets wait is not looked at only because nothing is wrong that could be seen.
    """
    ended = Finding.objects.filter(FAILING, device=OuterRef("device"), ended_at__gt=OuterRef("repair__since"))
    by_system = ~Q(repair__hands_reason=HandsReason.BY_OPERATOR)
    cleared = ~Q(device__verdict=Verdict.FAILED) & (by_system | Q(origin=Origin.DEVICE_FAILED))
    changed = Q(Exists(ended)) | Q(device__card__since__gt=F("repair__since")) | cleared
    device = Q(changed, device__isnull=False)
    checked = RepairStep.objects.filter(repair=OuterRef("repair"), verb=StepVerb.CHECK)
    soon = ~Exists(checked) | Q(repair__since__lt=now - timedelta(minutes=5))
    back = Q(soon, by_system, device=None, repair__backend__status=BackendStatus.ACTIVE)
    gone = Q(repair__backend__deleted_at__isnull=False)
    by_hand = Q(repair__state=RepairState.TAKEN_OVER) & ~gone  # only the operator ends it
    rows = RepairTarget.objects.filter(PENDING, device | back | gone, repair__state__in=RESTING).exclude(by_hand)
    return sorted(set(rows.order_by("repair_id").values_list("repair_id", flat=True)[:most]))


def ended_since(device_ids: Iterable[int], since: datetime) -> set[int]:
    """Return those devices of which a finding by which they had failed has ended since a time."""
    ended = Finding.objects.filter(FAILING, device__in=list(device_ids), ended_at__gt=since)
    return set(ended.values_list("device_id", flat=True))


def attempts_today(backend_id: int, now: datetime) -> int:
    """Count the remedies that were carried out on a node within a day."""
    done = RepairStep.objects.filter(repair__backend=backend_id, verb__in=REMEDIES, started_at__gt=now - DAY)
    return done.exclude(state__in=(StepState.PLANNED, StepState.SKIPPED)).count()


def in_repair(group_id: int, *, but: int) -> int:
    """Count the nodes of a group in repair, without one repair."""
    return Repair.objects.filter(state__in=ACTIVE, backend__group=group_id).exclude(pk=but).count()


def nodes_of(group_id: int) -> int:
    """Count the nodes of a group."""
    return Backend.objects.live().filter(group=group_id).count()


def groups_with_waiting_repairs() -> set[int]:
    """Return the groups of which repairs wait because too many nodes are in repair."""
    waiting = Repair.objects.filter(state=RepairState.QUARANTINED, waits_for=WaitReason.BREAKER)
    return set(waiting.order_by().values_list("backend__group", flat=True).distinct())


def repairs() -> QuerySet[Repair]:
    """Return all repairs with the rows that a list needs, in a fixed number of queries."""
    return Repair.objects.select_related("backend__group").prefetch_related("targets__device", "steps")


def open_repair_of(backend_id: int) -> Repair | None:
    """Return the open repair of a node."""
    return Repair.objects.filter(IS_OPEN, backend=backend_id).first()


def repair_history(backend_id: int, most: int) -> list[Repair]:
    """Return the latest repairs of a node with their targets and steps, in three queries."""
    return list(repairs().filter(backend=backend_id)[:most])


def repairs_of_device(backend_id: int, device_id: int, most: int) -> list[Repair]:
    """Return the latest repairs that are or were about a device of a node, in three queries."""
    return list(repairs().filter(backend=backend_id, targets__device=device_id)[:most])


def repairs_by_state() -> dict[str, int]:
    """Count the open repairs by state; every state is there."""
    found = Repair.objects.filter(IS_OPEN).order_by().values_list("state").annotate(Count("pk"))
    return {**dict.fromkeys(map(str, OPEN), 0), **dict(found)}


def steps_by_outcome() -> Iterable[tuple[str, str, int]]:
    """Count the steps by verb and state."""
    rows: Any = RepairStep.objects.order_by().values_list("verb", "state").annotate(Count("pk"))
    return sorted(rows)


def open_breakers() -> QuerySet[Breaker]:
    """Return the limits of groups for which repairs wait."""
    return Breaker.objects.filter(opened_at__isnull=False)


def is_switched_off(backend: Backend) -> bool:
    """Whether an operator has switched a node off, which neither its BMC nor its agent has shown on since then."""
    if backend.bmc.status == PowerStatus.ON:
        return False
    seen = backend.agent.last_seen
    switched = PowerAction.objects.filter(backend=backend.pk, command__in=SWITCHING).exclude(state__in=NOT_CARRIED_OUT)
    last = switched.order_by("-pk").first()
    if last is None or last.command not in SWITCHED_OFF or last.actor == SYSTEM.name:
        return False
    return not (seen and last.ended_at and seen > last.ended_at)
