"""Reads of maintenance windows, and of faulty devices, that a sweep or each page repeats: by their indexes."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backends.models import Backend, Device, MaintenanceNode, MaintenanceWindow
from backends.queries import maintenance
from backends.queries.health import faulty_devices
from console.queries.home import coming_windows
from core.clock import db_now

pytestmark = [pytest.mark.django_db, pytest.mark.only_postgresql]

READS: dict[str, tuple[Callable[[], object], set[str]]] = {
    "windows that begin or end now": (lambda: maintenance.due(db_now()), {"maintenance_open"}),
    "windows of the home page": (lambda: list(coming_windows()), {"maintenance_open"}),
    "windows that end after a moment": (
        lambda: MaintenanceWindow.objects.filter(ends_at__gt=db_now()).count(),
        {"maintenance_ends"},
    ),
    "windows of some nodes": (lambda: maintenance.windows_of([1, 2]), {"maintenancenode_open"}),
    "whether a node is in maintenance": (lambda: maintenance.in_maintenance(1), {"maintenancenode_open"}),
    "the next window of nodes in a list": (
        lambda: list(Backend.objects.annotate(at=maintenance.next_window()).filter(pk=1)),
        {"maintenancenode_open"},
    ),
    "windows of a node's page": (
        lambda: list(MaintenanceNode.objects.filter(backend=1).order_by("-pk")[:5]),
        {"maintenancenode_history"},
    ),
    "nodes that come back": (maintenance.to_return, {"maintenancenode_to_return"}),
    "nodes whose customers are not informed": (maintenance.to_inform, {"maintenancenode_untold"}),
}


@pytest.mark.parametrize("case", READS)
def test_an_index_answers(case: str) -> None:
    read, indexes = READS[case]
    plan = _plan(read)
    assert {index for index in indexes if index in plan} == indexes, plan


def test_faulty_devices_are_counted_without_a_look_at_the_others() -> None:
    names = [f"row-{number}" for number in range(500)]
    nodes = Backend.objects.bulk_create(Backend(name=name, ip="10.9.0.1", key_digest=name) for name in names)
    Device.objects.bulk_create(Device(backend=node, index=index) for node in nodes for index in range(8))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE backends_backend, backends_device")
    plan = _plan(lambda: faulty_devices([0]))
    assert {index for index in ("device_verdict", "device_in_repair") if index in plan} == {
        "device_verdict",
        "device_in_repair",
    }, plan


def _plan(read: Callable[[], object]) -> str:
    """Return the plan of the last statement of a read; a small table would be read as a whole."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    with CaptureQueriesContext(connection) as seen:
        read()
    statement = next(query["sql"] for query in reversed(seen.captured_queries) if " FROM " in query["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}")
        return "\n".join(line for (line,) in cursor.fetchall())
