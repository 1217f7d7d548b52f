"""Who opens repairs, cleans devices and places nodes at the same time: nobody gets an error, and nothing is lost."""

from collections.abc import Callable
from functools import partial
from threading import Thread

import pytest
from django.db import connection, transaction

from backends.models import Backend, Device
from backends.services.nodes import update_backend
from backends.services.repairs import keep_out
from core.errors import Duplicate
from remediation.errors import RepairOpen
from remediation.models import Repair
from remediation.services.operators import open_repair
from remediation.services.sweep import open_repairs
from scheduler.services.workers import take_result
from tests import make
from tests.api import events
from tests.remediation.site import LOST, device_of, report

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.only_postgresql,  # SQLite has one writer at a time
]


def somebody_waits() -> bool:
    return make.sql("SELECT FROM pg_locks WHERE NOT granted") > 0


def meanwhile(act: Callable[[], object]) -> Thread:
    """Begin to do something in another thread, which may have to wait for this one."""

    def run() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = Thread(target=run)
    thread.start()
    return thread


def test_an_operator_opens_a_repair_while_the_system_opens_it() -> None:
    node = make.ready_backend(2)
    report(device_of(node), LOST)
    refused: list[str] = []

    def by_hand() -> None:
        try:
            open_repair(node, actor=make.ACTOR)
        except RepairOpen as error:
            refused.append(error.code)

    with transaction.atomic():
        open_repairs()
        others = [meanwhile(by_hand), meanwhile(open_repairs)]
        make.wait_for(lambda: make.sql("SELECT FROM pg_locks WHERE NOT granted") > 1)
    for other in others:
        other.join()
    assert (refused, Repair.objects.count()) == (["CONFLICT"], 1)
    assert [subject for subject, _request in events("OPEN_REPAIR")] == [f"backend/{node.pk}"]


def test_a_device_that_comes_into_repair_while_it_becomes_clean_leaves_cleaning() -> None:
    node = make.backend(1)
    make.hello(node, 1)
    order, device = make.orders(node).get(), device_of(node)
    others: list[Thread] = []

    def keep_it_out(execute: Callable[..., object], sql: str, *rest: object) -> object:
        done = execute(sql, *rest)
        if sql.startswith('UPDATE "backends_device"') and not others:
            others.append(meanwhile(transaction.atomic(partial(keep_out, [device.pk]))))
            make.wait_for(lambda: not others[0].is_alive() or somebody_waits())
        return done

    with connection.execute_wrapper(keep_it_out):
        take_result(node, order.pk, ok=True)
    others[0].join()
    device.refresh_from_db()
    assert (device.status, device.why, device.in_repair) == ("SHUTDOWN", "REPAIR", True)


def test_the_unit_that_another_node_takes_meanwhile_is_named() -> None:
    one, two = make.backend(0), make.backend(0)
    refused: list[dict[str, object]] = []

    def take() -> None:
        try:
            update_backend(Backend.objects.get(pk=two.pk), rack="A", unit=7, actor=make.ACTOR)
        except Duplicate as error:
            refused.append(error.details)

    with transaction.atomic():
        update_backend(one, rack="A", unit=7, actor=make.ACTOR)
        other = meanwhile(take)
        make.wait_for(somebody_waits)
    other.join()
    assert (refused, Backend.objects.filter(rack="A").count()) == ([{"unit": 7}], 1)
    assert Device.objects.count() == 0
