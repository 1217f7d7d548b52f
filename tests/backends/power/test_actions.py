"""Power actions: their rows, attempts and results, carried out against simulated BMCs, and never twice."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from alerts.models import Alert
from backends import work
from backends.choices import ActionState, PowerStatus, PowerVerb
from backends.errors import ActionUnderWay, BackendInUse
from backends.models import Backend, Bmc, PowerAction
from backends.queries import due_actions
from backends.services.power import end_action, lease_action, record_sent, request_power
from core.clock import db_now
from core.errors import InvalidParameter
from core.lease import LeaseLost
from events.models import Event
from tests import make
from tests.backends.power import bmcs
from tests.backends.power.bmcs import Fleet

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module", autouse=True)
def _end_drivers() -> Iterator[None]:
    yield
    work.pool().close()
    work.pool.cache_clear()


def _node(bmc: bmcs.Bmc, password: str = bmcs.PASSWORD.decode()) -> Backend:
    where: dict[str, Any] = {"bmc_ip": bmc.address.host, "bmc_port": bmc.address.port}
    return make.backend(1, bmc_user=bmcs.USER.decode(), bmc_password=password, **where)


def _drive(node: Backend, verb: PowerVerb) -> PowerAction:
    action = request_power(node, verb, actor=make.ACTOR)
    work.drive(action.pk)
    action.refresh_from_db()
    return action


def test_off_and_on_again(fleet: Fleet) -> None:
    bmc = fleet.one()
    node = _node(bmc)
    off = _drive(node, PowerVerb.OFF)
    assert (off.state, off.target, off.attempt, off.sent, off.actor) == ("SUCCEEDED", "off", 1, ["off"], "operator-1")
    seen = Bmc.objects.get(backend=node)
    assert (seen.status, seen.target, seen.error) == (PowerStatus.OFF, "", "")
    assert list(off.attempts.values_list("number", "code")) == [(1, "SUCCEEDED")]
    assert bmc.state() == "off"
    actions = Event.objects.filter(subject=f"backend/{node.pk}").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["CREATE_BACKEND", "POWER", "BACKEND_LOST", "POWER_ENDED"]


def test_a_node_is_out_of_service_as_soon_as_a_cycle_has_read_it_off(fleet: Fleet) -> None:
    node = _node(fleet.one())
    cycle = _drive(node, PowerVerb.CYCLE)
    assert (cycle.state, Bmc.objects.get(backend=node).status) == ("SUCCEEDED", PowerStatus.ON)
    actions = Event.objects.filter(subject=f"backend/{node.pk}").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["CREATE_BACKEND", "POWER", "BACKEND_LOST", "POWER_ENDED"]


def test_a_second_action_is_refused_while_one_is_under_way(fleet: Fleet) -> None:
    node = _node(fleet.one())
    request_power(node, PowerVerb.STATUS, actor=make.ACTOR)
    with pytest.raises(ActionUnderWay):
        request_power(node, PowerVerb.ON, actor=make.ACTOR)
    assert PowerAction.objects.count() == 1


def test_what_would_end_jobs_needs_force(fleet: Fleet) -> None:
    node = _node(fleet.one())
    make.hello(node, 1)
    make.answer(node)
    make.running_job(node)
    with pytest.raises(BackendInUse):
        request_power(node, PowerVerb.OFF, actor=make.ACTOR)
    assert request_power(node, PowerVerb.OFF, force=True, actor=make.ACTOR).state == ActionState.QUEUED


def test_a_wrong_password_fails_at_once_and_is_counted_until_no_login_is_tried(fleet: Fleet) -> None:
    node = _node(fleet.one(), password="wrong")
    codes = [_drive(node, PowerVerb.STATUS).code for _ in range(4)]
    assert codes == ["WRONG_LOGIN"] * 3 + ["LOGIN_LOCKED"]
    assert Bmc.objects.get(backend=node).error == "LOGIN_LOCKED"
    assert Alert.objects.get().category == "BMC_UNREACHABLE"


def test_a_login_given_for_one_action_is_used_and_forgotten(fleet: Fleet) -> None:
    node = _node(fleet.one(), password="wrong")
    action = request_power(
        node, PowerVerb.STATUS, user=bmcs.USER.decode(), password=bmcs.PASSWORD.decode(), actor=make.ACTOR
    )
    work.drive(action.pk)
    action.refresh_from_db()
    assert (action.state, action.user, action.password) == ("SUCCEEDED", "", "")


def test_a_reset_that_was_sent_is_never_sent_again(fleet: Fleet) -> None:
    """ADR 1, line 18."""
    bmc = fleet.one()
    action = request_power(_node(bmc), PowerVerb.RESET, actor=make.ACTOR)
    lease = lease_action(action.pk)
    assert lease
    record_sent(lease, PowerVerb.RESET)
    PowerAction.objects.update(lease_until=db_now() - timedelta(seconds=1))
    assert due_actions(db_now()) == [action.pk]
    work.drive(action.pk)
    action.refresh_from_db()
    assert (action.state, action.attempt, bmc.executed()) == (ActionState.UNKNOWN, 2, {})
    assert list(action.attempts.values_list("code", flat=True)) == ["WORKER_LOST", "UNKNOWN"]
    assert Alert.objects.get().category == "POWER_UNKNOWN"


REFUSALS: dict[str, tuple[tuple[str, str], dict[str, int], list[str]]] = {
    "busy": (("FAILED", "BMC_BUSY"), {}, []),
    "times_out": (("UNKNOWN", "UNKNOWN"), {"reset": 1}, ["POWER_UNKNOWN"]),
}


@pytest.mark.parametrize("fault", REFUSALS)
def test_a_reset_that_was_refused_has_failed_and_one_without_an_answer_is_unknown(fleet: Fleet, fault: str) -> None:
    end, carried_out, alerts = REFUSALS[fault]
    bmc = fleet.one().fails(**{fault: True})
    reset = _drive(_node(bmc), PowerVerb.RESET)
    assert ((reset.state, reset.code), bmc.executed()) == (end, carried_out)
    open_alerts = Alert.objects.filter(category="POWER_UNKNOWN", cleared_at=None)
    assert list(open_alerts.values_list("category", flat=True)) == alerts


def test_a_worker_that_lost_its_lease_may_neither_send_nor_write(fleet: Fleet) -> None:
    """ADR 1, lines 16 and 17."""
    action = request_power(_node(fleet.one()), PowerVerb.OFF, actor=make.ACTOR)
    late = lease_action(action.pk)
    assert late
    PowerAction.objects.update(lease_until=db_now() - timedelta(seconds=1))
    work.drive(action.pk)
    with pytest.raises(LeaseLost):
        record_sent(late, PowerVerb.OFF)
    assert end_action(late, ActionState.FAILED) is False
    action.refresh_from_db()
    assert (action.state, action.attempt, action.sent) == (ActionState.SUCCEEDED, 2, ["off"])


def test_an_action_is_carried_out_once_however_often_it_is_enqueued(fleet: Fleet) -> None:
    bmc = fleet.one()
    action = request_power(_node(bmc), PowerVerb.RESET, actor=make.ACTOR)
    for _ in range(3):
        work.drive(action.pk)
    action.refresh_from_db()
    assert (action.state, action.attempt, bmc.executed()) == (ActionState.SUCCEEDED, 1, {"reset": 1})


def test_the_sweep_stores_the_power_or_the_error_of_every_bmc(fleet: Fleet) -> None:
    healthy, wrong, dead = fleet.take(3)
    dead.fails(black_hole=True)
    nodes = [_node(healthy), _node(wrong, password="wrong"), _node(dead), make.backend(1)]
    work.sweep_power()
    rows = Bmc.objects.in_bulk()
    assert [(rows[node.pk].status, rows[node.pk].error) for node in nodes] == [
        ("on", ""),
        ("unknown", "WRONG_LOGIN"),
        ("unknown", "BMC_SILENT"),
        ("unknown", "WEAK_AUTH"),
    ]
    checked = rows[nodes[0].pk].checked_at
    work.sweep_power()
    assert Bmc.objects.get(backend=nodes[0]).checked_at == checked  # still fresh


def test_a_bmc_that_accepts_weak_authentication_is_flagged_until_it_no_longer_does(fleet: Fleet) -> None:
    strong, weak = fleet.one(), fleet.one().fails(weak_auth=True)
    nodes = [_node(strong), _node(weak)]
    work.sweep_power()
    work.probe_bmcs()
    assert [Bmc.objects.get(backend=node).weak for node in nodes] == [False, True]
    assert Alert.objects.get(category="BMC_WEAK").subject_id == nodes[1].pk
    weak.fails(weak_auth=False)
    assert _drive(nodes[1], PowerVerb.RECONNECT).state == ActionState.SUCCEEDED
    work.probe_bmcs()
    assert Bmc.objects.get(backend=nodes[1]).weak is False
    assert Alert.objects.get(category="BMC_WEAK").cleared_at is not None


@pytest.mark.parametrize("address", ["8.8.8.8", "169.254.169.254"])
def test_a_bmc_outside_the_allowed_networks_cannot_be_created(address: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        make.backend(1, bmc_ip=address)
    assert caught.value.details == {"parameter": "node"}


def test_logins_are_encrypted_at_rest(fleet: Fleet) -> None:
    from django.db import connection

    node = _node(fleet.one())
    with connection.cursor() as cursor:
        cursor.execute('SELECT "user", password FROM backends_bmc WHERE backend_id = %s', [node.pk])
        stored = cursor.fetchone()
    assert all(value.startswith("gAAAA") for value in stored)
    assert Bmc.objects.get(backend=node).password == bmcs.PASSWORD.decode()
