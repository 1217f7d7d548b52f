"""A small installation of which every metric tells something."""

from importlib import import_module

from backends.models import Agent, Bmc, Finding, Telemetry
from core.clock import db_now
from core.measures import Counter, Gauge, Histogram, Measure
from liveness.models import Sign
from moreh_cloud.metrics.processes import DEFINED_IN
from moreh_cloud.metrics.recorder import Recorder
from outbox.services import create_channel
from tests import make
from tests.console.allocations import HOUR, NINE, hold

MEASURED = ("temperature", "memory_temperature", "utilization", "memory_utilization", "used_memory", "power")


def populate() -> None:
    """Make a node of which all is known, a job that runs and one that waits, a finding, signs of life."""
    now = db_now()
    node = make.ready_backend(2)
    free, busy = node.devices.order_by("index")
    Agent.objects.filter(backend=node).update(cpu=5, used_memory=1, total_memory=2, clock_skew_ms=3)
    Bmc.objects.filter(backend=node).update(status="on", checked_at=now)
    for device in (free, busy):
        Telemetry.objects.create(device=device, at=now, **dict.fromkeys(MEASURED, 40))
    make.running_job(node)
    make.job()
    hold(make.token(), node, NINE, NINE + HOUR)
    Finding.objects.create(device=free, code="LOST", first_at=NINE, last_at=NINE)
    create_channel(name="portal", kind="MAIL", recipients=["a@example.com"], actor=make.ACTOR)
    for name in ("worker", "tick"):
        Sign.objects.create(name=name, seen_at=now, by="here")
    count()


def count() -> None:
    """Count something with every measure, and store it as a process would."""
    for name in DEFINED_IN:
        import_module(name)
    for measure in Measure.every.values():
        labels = ["x"] * len(measure.labels)
        if isinstance(measure, Histogram):
            measure.add(*labels, value=0.1)
        elif isinstance(measure, Counter | Gauge):
            measure.add(*labels)
    Recorder("web").store()
