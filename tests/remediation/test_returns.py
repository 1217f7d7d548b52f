"""What comes back only when it was validated, and when the system leaves a node to its operator."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from alerts.models import OPEN, Alert
from backends.choices import ActionState, PowerStatus, PowerVerb
from backends.models import Agent, Backend, Device, ManagerPresence, Order, PowerAction
from backends.services.agents import Newcomer
from backends.services.cards import CardIdentity
from backends.services.power import end_action, lease_action, request_power
from backends.services.power_readings import PowerReading, store_power_readings
from core.clock import db_now
from remediation.models import Repair
from remediation.services import operators
from scheduler.services.lost_nodes import lose_backend
from scheduler.services.nodes import delete_backend
from scheduler.services.workers import greet_agent, note_health
from tests import make
from tests.remediation.site import allow, described, device_of, faulty, look, report, settle, state, steps, sweep

pytestmark = pytest.mark.django_db


def hello(node: Backend, *, instance: str = "one", boot_id: str = "", uuid: str = "old") -> None:
    """Let an agent say hello with a card in the place of each device."""
    seen = make.greeting(2, instance=instance)
    devices = tuple(replace(one, card=CardIdentity(uuid=f"{uuid} {one.index}")) for one in seen.devices)
    agent = replace(seen, devices=devices, boot_id=boot_id)
    greet_agent(Newcomer(node, agent, {}, uuid4(), make.ACTOR))


def seen(node: Backend) -> list[tuple[str, str]]:
    return list(Device.objects.filter(backend=node).order_by("index").values_list("status", "why"))


def test_a_node_is_not_back_while_nobody_has_checked_its_devices() -> None:
    node = make.ready_backend(2)
    note_health(node, ok=False, error="bad")
    repair = look()
    note_health(node, ok=True)
    look(repair)
    assert settle(node, whole=True) == "CHECK []"
    look(repair)
    assert settle(node, ok=False, error="the agent could not check") == "CHECK [0, 1]"
    repair = look(repair)
    assert (described(repair), repair.targets.get().ended_at) == (("NEEDS_HANDS", "", "NO_REMEDY"), None)
    assert seen(node) == [("SHUTDOWN", "REPAIR")] * 2


def test_a_card_that_came_after_the_check_is_checked_itself() -> None:
    allow(repair_reset=True)
    node = make.ready_backend(2)
    hello(node)
    make.answer(node)
    repair = faulty(node)
    settle(node)
    look(repair)
    settle(node)
    assert described(look(repair)) == ("VALIDATION", "REPORT", "")  # the old card has passed
    hello(node, uuid="new")
    make.answer(node)
    repair = look(repair)
    assert (repair.state, steps(repair)[1:]) == ("VALIDATION", [("CHECK", "FAILED", [0]), ("CHECK", "RUNNING", [0])])
    assert state(device_of(node)) == ("HEALTHY", "SHUTDOWN", "REPAIR")
    settle(node)
    assert look(repair).state == "RETURNED"


def test_the_time_for_the_drain_of_a_node_begins_with_that_drain() -> None:
    allow(repair_reset=True, repair_force=True)
    node = make.ready_backend(2)
    jobs = [make.running_job(node), make.running_job(node)]
    repair = faulty(node)
    Repair.objects.update(drain_until=db_now() - timedelta(hours=2))  # its own job goes on for long
    allow(repair_reset=False, repair_reboot=True, repair_drain_min=10)
    report(device_of(node, 1))
    begun = db_now()
    repair = look(repair)
    assert repair.state == "DRAINING"
    assert repair.drain_until is not None
    assert repair.drain_until - begun > timedelta(minutes=9)
    assert [type(job).objects.get(pk=job.pk).status for job in jobs] == ["RUNNING", "RUNNING"]


@pytest.mark.parametrize("shown_by", ["BMC", "agent"])
def test_a_node_that_an_operator_has_switched_off_stays_off(shown_by: str) -> None:
    allow(repair_power_cycle=True)
    node = make.ready_backend(2)
    ManagerPresence.objects.update(since=db_now() - timedelta(days=1))
    Agent.objects.update(last_seen=db_now() - timedelta(hours=1), session=None)
    lose_backend(node.pk)
    lease = lease_action(request_power(node, PowerVerb.OFF, actor=make.ACTOR).pk)
    assert lease
    store_power_readings({node.pk: PowerReading(PowerStatus.OFF)}, at=db_now())
    end_action(lease, ActionState.SUCCEEDED)
    repair = look()
    assert (described(repair), PowerAction.objects.count()) == (("QUARANTINED", "OPERATOR", ""), 1)
    on = PowerReading(PowerStatus.ON) if shown_by == "BMC" else PowerReading(PowerStatus.UNKNOWN, "BMC_SILENT")
    store_power_readings({node.pk: on}, at=db_now())
    if shown_by == "agent":  # it was seen after the end of the action, and is lost again
        PowerAction.objects.update(ended_at=db_now() - timedelta(hours=2))
    assert described(look(repair)) == ("REMEDY", "POWER", "")
    assert PowerAction.objects.get(command="cycle").actor == "system"


def test_an_unhealthy_node_that_an_operator_brings_back_is_in_service() -> None:
    node = make.ready_backend(2)
    note_health(node, ok=False, error="bad")
    repair = look()
    operators.bring_back(repair, reason="the check is wrong", actor=make.ACTOR)
    sweep()
    make.answer(node)
    node.refresh_from_db()
    assert (node.status, node.why, Repair.objects.count()) == ("ACTIVE", "", 1)
    assert (seen(node), Alert.objects.filter(OPEN).count()) == ([("IDLE", "")] * 2, 0)


def test_a_deleted_node_leaves_no_alert() -> None:
    node = make.ready_backend(2)
    faulty(node)
    assert Alert.objects.filter(OPEN).count() == 2
    delete_backend(node, actor=make.ACTOR)
    assert Alert.objects.filter(OPEN).count() == 0


@pytest.mark.parametrize(
    ("remedy", "instance", "boot_id", "end"),
    [
        ("repair_reboot", "other", "second", ("DONE", "")),
        ("repair_reboot", "one", "second", ("DONE", "")),
        ("repair_reboot", "other", "first", ("FAILED", "the agent that received it was replaced by another one")),
        ("repair_reset", "other", "first", ("FAILED", "the agent that received it was replaced by another one")),
        ("repair_reset", "one", "first", ("ACKED", "")),
    ],
)
def test_a_reset_or_reboot_is_not_given_to_an_agent_without_its_journal(
    remedy: str, instance: str, boot_id: str, end: tuple[str, str]
) -> None:
    allow(**{remedy: True})
    node = make.ready_backend(2)
    hello(node, boot_id="first")
    make.answer(node)
    faulty(node)
    given = Order.objects.filter(verb__in=("RESET", "REBOOT"))
    given.update(state="ACKED")
    Agent.objects.update(last_seen=db_now() - timedelta(hours=1))
    hello(node, instance=instance, boot_id=boot_id)
    assert given.values_list("state", "error").get() == end
