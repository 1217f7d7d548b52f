"""The sweep: a bounded number in one run, a fixed number of queries, by indexes."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backends.models import Backend, Device
from core.clock import db_now
from remediation import queries
from remediation.models import Repair, RepairTarget
from remediation.services.advance import advance
from remediation.services.sweep import open_repairs
from remediation.work import sweep
from tests import make
from tests.remediation.site import LOST, allow, device_of, faulty, report

pytestmark = pytest.mark.django_db


def asked(what: Any) -> int:
    with CaptureQueriesContext(connection) as seen:
        what()
    return len(seen)


def test_repairs_of_many_nodes_are_opened_in_as_many_queries_as_of_one_and_some_at_a_time(settings: Any) -> None:
    settings.MOREH_REPAIRS_AT_ONCE = 5
    one = make.ready_backend(2)
    report(device_of(one), LOST)
    few = asked(open_repairs)
    for _ in range(6):
        report(device_of(make.ready_backend(2)), LOST)
    assert asked(open_repairs) == few
    assert (Repair.objects.count(), RepairTarget.objects.count()) == (6, 6)
    assert (open_repairs(), open_repairs()) == (1, 0)
    assert Device.objects.filter(in_repair=True).count() == 7


def test_nothing_to_do_costs_a_few_queries_for_any_number_of_repairs_at_rest() -> None:
    faulty(make.ready_backend(1))
    Repair.objects.update(since=db_now() - timedelta(hours=1))
    few = asked(sweep)
    for _ in range(4):
        faulty(make.ready_backend(1))
    assert asked(sweep) == few
    assert few <= 12


def test_a_look_at_a_repair_takes_a_fixed_number_of_queries_whatever_the_node_has() -> None:
    allow(repair_reset=True, repair_percent=100)
    found = []
    for devices in (1, 8):
        repair = faulty(make.ready_backend(devices))
        found.append(asked(lambda: advance(repair.pk)))  # noqa: B023
    assert found[0] == found[1] <= 14


@pytest.mark.only_postgresql
def test_the_sweep_reads_by_indexes() -> None:
    names = [f"row-{number}" for number in range(2000)]
    nodes = Backend.objects.bulk_create(Backend(name=name, ip="10.9.0.1", key_digest=name) for name in names)
    Device.objects.bulk_create(Device(backend=node, index=0) for node in nodes)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE backends_backend, backends_device")
        cursor.execute("SET LOCAL enable_seqscan = off")
    now = db_now()
    plans = {
        "device_verdict": queries.failed_devices().explain(),
        "backend_down": queries.nodes_down().explain(),
        "repair_next": Repair.objects.filter(next_at__lte=now).order_by("next_at", "pk")[:5].explain(),
    }
    assert {name: name in plan for name, plan in plans.items()} == dict.fromkeys(plans, True)
