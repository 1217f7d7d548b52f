"""What workers carry out: cycles, start estimates and sweeps, of all groups and nodes."""

from collections.abc import Callable, Iterable
from datetime import datetime

from django.db.models import QuerySet

from backends.queries import lost_backends
from backends.queries.maintenance import due, to_drain, to_inform, to_return
from backends.services.heat_alerts import note_heat
from backends.services.maintenance import begin_or_end_window
from backends.services.node_alerts import clear_node_alerts, note_silent_nodes
from core.apart import each_apart
from core.clock import db_now
from events.actor import SYSTEM
from scheduler.choices import Cause, JobStatus
from scheduler.cycle.tick import tick
from scheduler.estimates.start_estimates import refresh_estimates
from scheduler.logs import tails
from scheduler.models import Job
from scheduler.queries.queue import waited_for
from scheduler.queries.sweep import (
    abandoned_jobs,
    overdue_jobs,
    powered_off_backends,
    preemptions_due,
    silent_preflights,
    stuck_jobs,
    uncleaned_devices,
)
from scheduler.services.checks import give_due_checks, leave_silent_node
from scheduler.services.cleaning import quarantine_uncleaned
from scheduler.services.job_alerts import note_failed_jobs, note_shortages
from scheduler.services.jobs import end_job, preempt_job
from scheduler.services.lost_nodes import lose_backend, power_down_backend
from scheduler.services.maintenance import drain_nodes, inform_customers, return_nodes
from scheduler.services.unknown_workers import overdue_unknown
from scheduler.services.watch import note_failing, note_frozen, note_silent, note_unusable
from scheduler.services.workers import stop_overdue_unknown


def tick_all() -> None:
    """Run cycles of every group with waiting jobs; one query when there are none."""
    each_apart(waited_for(), tick, "group_failed", work="tick")


def refresh_all_estimates() -> None:
    """Refresh the start estimates of every group with waiting jobs; one query when there are none."""
    each_apart(waited_for(), refresh_estimates, "group_failed", work="refresh_estimates")


def sweep() -> None:
    """Act once on everything that has been silent or stuck for too long, each in a transaction of its own.

    What was found may have changed meanwhile, so each transaction checks it again under its lock.
    """
    now = db_now()
    _each(silent_preflights(now).values_list("pk", flat=True), leave_silent_node)
    _each(lost_backends(now).values_list("pk", flat=True), lose_backend)
    _each(powered_off_backends(), power_down_backend)
    _fail(abandoned_jobs, Cause.CLIENT_LOST)
    _fail(overdue_jobs, Cause.TIME_LIMIT)
    _each(preemptions_due(now), preempt_job)
    _fail(stuck_jobs, Cause.PREPARATION_TIMED_OUT)
    _each(sorted(set(overdue_unknown().values_list("backend", flat=True))), stop_overdue_unknown)
    _each(sorted(set(uncleaned_devices(now).values_list("backend", flat=True))), quarantine_uncleaned)
    _look((note_silent_nodes,), "sweep")


def maintain() -> None:
    """Begin and end maintenance windows, return and drain their nodes, and inform customers."""
    _each(due(db_now()), begin_or_end_window)
    _each(to_return(), return_nodes)  # first: a window may begin when another one of its nodes ends
    _each(to_drain(), drain_nodes)
    _each(to_inform(), inform_customers)


def watch_devices() -> None:
    """Look once at all devices: values that do not change or do not come, what is out of service, due checks; alerts.

    The looks do not depend on each other: one that fails is logged.
    """
    _look((note_frozen, note_silent, note_unusable, note_failing, give_due_checks), "watch_devices")
    _look((note_heat, note_shortages, note_failed_jobs, clear_node_alerts), "watch_devices")


def _look(checks: Iterable[Callable[[], object]], work: str) -> None:
    by_name = {check.__name__: check for check in checks}
    each_apart(by_name, lambda name: by_name[name](), "watch_failed", work=work)


def delete_old_tails() -> None:
    """Delete last outputs of workers that were kept long enough."""
    tails.delete_old_tails()


def _each(keys: Iterable[int], act: Callable[[int], object]) -> None:
    each_apart(keys, act, "sweep_failed", work=act.__name__)


def _fail(late: Callable[[datetime], QuerySet[Job]], cause: Cause) -> None:
    """Fail the jobs that are late, unless they no longer are when they are locked."""

    def end_late(job_id: int) -> None:
        end_job(job_id, JobStatus.FAILED, cause=cause, actor=SYSTEM, among=late(db_now()))

    _each(late(db_now()).values_list("pk", flat=True), end_late)
