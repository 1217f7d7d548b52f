"""Checks of workers and of their orders."""

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from backends.choices import OPEN_ORDERS, OrderState, OrderVerb
from backends.models import Order
from backends.services.orders import withdraw_orders
from scheduler.choices import HOLDING, LIVE, WorkerState
from scheduler.models import Job, Worker
from scheduler.reconcile.checks import Check
from scheduler.services.jobs import stop_workers
from scheduler.services.workers import PRESENT

STALE = ~Q(job__status__in=HOLDING) | ~Q(attempt=F("job__attempt"))
# A STOP that failed counts too: its devices are quarantined when their cleaning times out.
STOPS = Order.objects.filter(ref=OuterRef("pk"), verb=OrderVerb.STOP).filter(
    state__in=(*OPEN_ORDERS, OrderState.FAILED)
)
STARTING = Worker.objects.filter(
    pk=OuterRef("ref"), state=WorkerState.STARTING, job__status__in=LIVE, attempt=F("job__attempt")
)


def _stale() -> QuerySet[Worker]:
    return Worker.objects.filter(STALE, state__in=PRESENT)


def _with_stale_workers() -> QuerySet[Job]:
    """Workers of an attempt that is over are being stopped."""
    return Job.objects.filter(pk__in=_stale().values("job"))


def _stop(job: Job) -> str:
    stop_workers(_stale().filter(job=job))
    return "an attempt of it is over, but its workers had not been told to stop"


def _stop_forgotten() -> QuerySet[Worker]:
    """A STOPPING worker has a STOP order."""
    return Worker.objects.filter(~Exists(STOPS), state=WorkerState.STOPPING)


def _stop_again(worker: Worker) -> str:
    stop_workers(Worker.objects.filter(pk=worker.pk))
    return f"stopping for job {worker.job_id}, but nobody was to stop it"


def _late_starts() -> QuerySet[Order]:
    """No START order is open for a worker that should no longer start."""
    starts = Order.objects.filter(verb=OrderVerb.START, state__in=OPEN_ORDERS, ref__isnull=False)
    return starts.filter(~Exists(STARTING))


def _withdraw(order: Order) -> str:
    withdraw_orders([order.ref or 0], OrderVerb.START)
    return f"START of worker {order.ref}, whose job no longer wants it"


CHECKS = (
    Check(_with_stale_workers, _stop),
    Check(_stop_forgotten, _stop_again),
    Check(_late_starts, _withdraw),
)
