"""What a BMC may be asked: one operation at a time, and so many in a minute, whoever asks."""

from collections.abc import Iterator
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection

from backends import work
from backends.choices import PowerVerb
from backends.errors import BmcAskedTooOften
from backends.models import Backend, Bmc, PowerAction
from backends.services.bmc_requests import take_bmcs
from backends.services.power import request_power
from core.clock import db_now
from tests import make
from tests.backends.power import bmcs
from tests.backends.power.bmcs import Fleet

SECONDS = timedelta(seconds=30)


@pytest.fixture(scope="module", autouse=True)
def _end_drivers() -> Iterator[None]:
    yield
    work.pool().close()
    work.pool.cache_clear()


def _node(bmc: bmcs.Bmc) -> Backend:
    where: dict[str, Any] = {"bmc_ip": bmc.address.host, "bmc_port": bmc.address.port}
    return make.backend(1, bmc_user=bmcs.USER.decode(), bmc_password=bmcs.PASSWORD.decode(), **where)


@pytest.mark.django_db
def test_a_bmc_is_taken_by_one_until_it_is_given_back_or_the_time_is_over() -> None:
    first, second = make.backend(1).pk, make.backend(1).pk
    mine = take_bmcs([first], most=SECONDS)
    assert take_bmcs([first, second], most=SECONDS).ids == {second}
    mine.give_back()
    again = take_bmcs([first], most=SECONDS)
    mine.give_back()  # it is another's now
    assert (again.ids, take_bmcs([first], most=SECONDS).ids) == (frozenset({first}), frozenset())
    Bmc.objects.update(busy_until=db_now() - timedelta(seconds=1))
    assert take_bmcs([first], most=SECONDS).ids == {first}


@pytest.mark.django_db
def test_no_minute_has_more_requests_than_allowed(settings: Any) -> None:
    settings.MOREH_BMC_REQUESTS_PER_MINUTE = 20
    node = make.backend(1).pk
    taken = 0
    while (mine := take_bmcs([node], most=SECONDS)).ids:
        taken += 1
        mine.give_back()
    assert taken == 10
    Bmc.objects.update(paced_until=db_now() + timedelta(seconds=53))  # as 7 seconds later: one more
    allowed = []
    for _ in range(2):
        mine = take_bmcs([node], most=SECONDS)
        allowed.append(len(mine.ids))
        mine.give_back()
    assert allowed == [1, 0]


@pytest.mark.django_db
def test_reading_too_often_is_refused_and_switching_power_never_is(settings: Any) -> None:
    settings.MOREH_BMC_REQUESTS_PER_MINUTE = 2
    node = make.backend(1, bmc_user="admin", bmc_password="secret")
    take_bmcs([node.pk], most=SECONDS).give_back()
    for verb in (PowerVerb.STATUS, PowerVerb.READ):
        with pytest.raises(BmcAskedTooOften) as caught:
            request_power(node, verb, actor=make.ACTOR)
        assert 50 < (caught.value.retry_after or 0) <= 60
    assert PowerAction.objects.count() == 0
    assert request_power(node, PowerVerb.OFF, actor=make.ACTOR).state == "QUEUED"


@pytest.mark.django_db
def test_a_sweep_leaves_a_bmc_alone_that_another_asks(fleet: Fleet) -> None:
    bmc = fleet.one()
    node = _node(bmc)
    other = take_bmcs([node.pk], most=SECONDS)
    work.sweep_power()
    assert (Bmc.objects.get(pk=node.pk).checked_at, bmc.logins()) == (None, 0)
    other.give_back()
    work.sweep_power()
    row = Bmc.objects.get(pk=node.pk)
    assert (row.status, row.busy_until, bmc.logins()) == ("on", None, 1)


@pytest.mark.django_db(transaction=True)
def test_a_power_action_waits_for_the_operation_under_way(fleet: Fleet) -> None:
    node = _node(fleet.one())
    other = take_bmcs([node.pk], most=SECONDS)
    action = request_power(node, PowerVerb.OFF, actor=make.ACTOR)

    def drive() -> None:
        work.drive(action.pk)
        connection.close()

    worker = Thread(target=drive)
    worker.start()
    make.wait_for(lambda: PowerAction.objects.get(pk=action.pk).state == "RUNNING")
    worker.join(0.5)
    assert PowerAction.objects.get(pk=action.pk).sent == []
    other.give_back()
    worker.join(10)
    assert PowerAction.objects.get(pk=action.pk).state == "SUCCEEDED"
    assert Bmc.objects.get(pk=node.pk).busy_until is None
