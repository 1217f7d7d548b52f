"""Health checks of devices: given at intervals, and before a job starts; and what follows from their results."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from backends.choices import OPEN_ORDERS, BackendStatus, DeviceStatus, OrderVerb
from backends.models import Backend, BackendGroup, Device, Order
from backends.queries import silence_cutoff
from backends.services.findings import ReportedFact
from backends.services.orders import NewOrder, give_orders
from core.clock import db_now
from events.actor import SYSTEM
from events.services import record
from scheduler.choices import JobStatus
from scheduler.models import Job, Worker
from scheduler.queries.sweep import silent_preflights
from scheduler.services.health import store_findings
from scheduler.services.jobs import put_back

CHECK_FAILED = "CHECK_FAILED"
OLDEST_FIRST = F("checked_at").asc(nulls_first=True), "backend_id", "index"


class CheckResult(NamedTuple):
    """Which devices failed a check and which were in use; `whole`: the agent checked its node as a whole."""

    failed: Collection[int] = ()
    busy: Collection[int] = ()
    whole: bool = False


NOT_CHECKED = CheckResult()


@transaction.atomic
def fail_preflight(backend: Backend, worker: Worker, checked: CheckResult, *, error: str) -> None:
    """Put back a job, which is locked, whose devices failed the check before its start; the devices have failed.

    It waits for its next attempt and does not count as failed. Each failure takes devices out of service, so it ends:
    if the agent names none of the worker's devices, all of them have failed.
    """
    job = worker.job
    failed = {*checked.failed} & {*worker.devices} or {*worker.devices}
    if job.status == JobStatus.SUBMITTED and job.attempt == worker.attempt:
        put_back(job)
        record(
            "PREFLIGHT_FAILED",
            actor=SYSTEM,
            subject=f"job/{job.pk}",
            token_id=job.token_id,
            backend=backend.pk,
            devices=sorted(failed),
        )
    record_check(backend, worker.devices, CheckResult(failed), error=error)


def put_back_unchecked(jobs: QuerySet[Job]) -> None:
    """Put back jobs, in the caller's transaction, whose devices nobody checks any more; they do not count as failed."""
    for job in jobs.select_for_update(of=("self",)):
        put_back(job)
        record("PREFLIGHT_FAILED", actor=SYSTEM, subject=f"job/{job.pk}", token_id=job.token_id, devices=[])


@transaction.atomic
def leave_silent_node(job_id: int) -> None:
    """Put back a job whose devices are checked by an agent that has fallen silent, unless it speaks again."""
    put_back_unchecked(silent_preflights(db_now()).filter(pk=job_id))


@transaction.atomic
def record_check(
    backend: Backend, indexes: Iterable[int], checked: CheckResult, *, error: str, known: bool = True
) -> None:
    """Store the result of a check of some devices: those that failed have a finding, those that passed lose it.

    Unless it is `known`, because the agent could not carry it out: then only its time is stored.
    """
    rows = Device.objects.filter(backend=backend, index__in=[*indexes]).exclude(index__in=[*checked.busy])
    devices = dict(rows.order_by("pk").select_for_update(no_key=True).values_list("pk", "index"))
    failure = ReportedFact(CHECK_FAILED, count=1, text=error[:512])
    facts = {pk: [failure] if index in checked.failed else [] for pk, index in devices.items()}
    Device.objects.filter(pk__in=devices).update(checked_at=db_now())
    if known:
        store_findings(facts, codes=[CHECK_FAILED])


@transaction.atomic
def check_device(device: Device) -> bool:
    """Order the check of a device by itself; return False if one is ordered already. One in use is not checked."""
    orders = Order.objects.filter(backend=device.backend_id, verb=OrderVerb.CHECK, state__in=OPEN_ORDERS)
    if any(device.index in indexes for indexes in orders.values_list("devices", flat=True)):
        return False
    give_orders([NewOrder(device.backend_id, OrderVerb.CHECK, devices=[device.index])])
    return True


@transaction.atomic
def give_due_checks() -> int:
    """Order the checks of idle devices that are due, of a few nodes at a time; return of how many.

    A check leaves its devices IDLE: a job that gets one of them meanwhile starts after the check.
    """
    now = db_now()
    due = _due(now)
    if not due.children:
        return 0
    there = Q(
        backend__deleted_at__isnull=True,
        backend__agent__session__isnull=False,
        backend__agent__last_seen__gte=silence_cutoff(now),
    )
    open_checks = Order.objects.filter(verb=OrderVerb.CHECK, state__in=OPEN_ORDERS)
    # One of a node that is gone or silent may stay open for ever: it is not under way.
    free = settings.MOREH_CHECKS_AT_ONCE - open_checks.filter(there).count()
    ready = Device.objects.filter(due, there, status=DeviceStatus.IDLE, backend__status=BackendStatus.ACTIVE).exclude(
        backend__in=open_checks.values("backend")
    )
    nodes: dict[int, list[int]] = {}
    rows = ready.order_by(*OLDEST_FIRST)
    for node, index in rows.values_list("backend_id", "index"):
        if node in nodes or len(nodes) < free:
            nodes.setdefault(node, []).append(index)
    give_orders(NewOrder(node, OrderVerb.CHECK, devices=sorted(indexes)) for node, indexes in nodes.items())
    return len(nodes)


def _due(now: datetime) -> Q:
    """Return a filter for devices whose group wants a check by now; empty if no group wants checks."""
    due = Q(_connector=Q.OR)
    groups = BackendGroup.objects.filter(deleted_at__isnull=True, check_every_h__gt=0)
    for pk, hours in groups.values_list("pk", "check_every_h"):
        late = Q(checked_at__isnull=True) | Q(checked_at__lt=now - timedelta(hours=hours))
        due |= Q(late, backend__group=pk)
    return due
