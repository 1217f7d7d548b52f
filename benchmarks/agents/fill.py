"""The nodes whose agents come back, as they are after a long silence: all shut down, each with its alert."""

from django.db import connection

from alerts.codes import Code
from alerts.services import NewAlert, raise_alerts
from alerts.subjects import node
from backends.choices import BackendStatus, DeviceStatus, ShutdownReason
from backends.models import Agent, Backend, Bmc, Device, Telemetry
from benchmarks.agents.nodes import DEVICES, MEMORY, MODEL, key_of
from core.clock import db_now
from core.crypto import digest

LOST = {"status": "SHUTDOWN", "why": ShutdownReason.NODE_LOST}


def add_nodes(count: int) -> None:
    """Add nodes that were lost."""
    rows = (Backend(name=f"node{n}", ip="10.0.0.1", key_digest=digest(key_of(n)), **LOST) for n in range(count))
    nodes = Backend.objects.bulk_create(rows, batch_size=5_000)
    Bmc.objects.bulk_create(Bmc(backend=node, ip="10.0.0.1") for node in nodes)
    Agent.objects.bulk_create(Agent(backend=node, last_seen=db_now()) for node in nodes)
    spots = ((node, index) for node in nodes for index in range(DEVICES))
    Device.objects.bulk_create(
        (Device(backend=node, index=i, model=MODEL, total_memory=MEMORY, **LOST) for node, i in spots),
        batch_size=10_000,
    )
    lose_nodes()


def lose_nodes() -> None:
    """Shut all down, as the sweep does when agents were silent too long."""
    Backend.objects.update(status=BackendStatus.SHUTDOWN, why=ShutdownReason.NODE_LOST)
    Device.objects.update(status=DeviceStatus.SHUTDOWN, why=ShutdownReason.NODE_LOST, cleaner=None)
    nodes = Backend.objects.values_list("pk", "name")
    raise_alerts(NewAlert(Code.NODE_LOST, node(pk), {"node": name}) for pk, name in nodes)
    Telemetry.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def fresh_nodes() -> int:
    """Count the devices that are IDLE and have had a report since the nodes were lost."""
    return Telemetry.objects.filter(device__status=DeviceStatus.IDLE).count()
