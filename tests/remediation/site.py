"""Nodes that are faulty, and agents that answer, for tests of repairs."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from alerts.models import OPEN, Alert
from backends.choices import ActionState, OrderVerb
from backends.health.findings import REPORTED
from backends.models import Agent, Backend, Device, ManagerPresence, Order, PowerAction
from backends.services.findings import ReportedFact
from backends.services.groups import update_backend_group
from backends.services.power import end_action, lease_action
from core.clock import db_now
from remediation.models import Repair, RepairStep
from remediation.services.advance import advance
from remediation.services.sweep import open_repairs
from remediation.work import sweep
from scheduler.services import health
from scheduler.services.checks import CheckResult
from scheduler.services.lost_nodes import lose_backend
from scheduler.services.workers import take_result
from tests import make

LOST = ReportedFact("LOST", text="GPU is lost")
ALL = {"repair_clean": True, "repair_reset": True, "repair_reboot": True, "repair_power_cycle": True}


def allow(**fields: Any) -> None:
    """Set what the default group allows."""
    update_backend_group(make.default_group(), actor=make.ACTOR, **fields)


def report(device: Device, *facts: ReportedFact) -> None:
    """Let the node's agent report what is wrong with a device."""
    health.store_findings({device.pk: facts}, codes=REPORTED)


def device_of(node: Backend, index: int = 0) -> Device:
    found: Device = node.devices.get(index=index)
    return found


def look(repair: Repair | None = None) -> Repair:
    """Open what is to be opened, look at a repair (the latest one), and return it as it is then."""
    open_repairs()
    repair = repair or Repair.objects.latest("pk")
    advance(repair.pk)
    repair.refresh_from_db()
    return repair


def faulty(node: Backend, index: int = 0, fact: ReportedFact = LOST) -> Repair:
    """Let a device fail, and return the repair that the system opens."""
    report(device_of(node, index), fact)
    return look()


def order(node: Backend) -> Order:
    found: Order = make.orders(node).exclude(verb=OrderVerb.STOP).latest("created_at")
    return found


def settle(
    node: Backend, *, ok: bool = True, failed: Collection[int] = (), error: str = "", whole: bool = False
) -> str:
    """Let the agent answer its latest order; return its verb and devices."""
    given = order(node)
    take_result(node, given.pk, ok=ok, error=error, checked=CheckResult(failed, whole=whole))
    return f"{given.verb} {given.devices}"


def steps(repair: Repair) -> list[tuple[str, str, list[int]]]:
    return list(RepairStep.objects.filter(repair=repair).order_by("number").values_list("verb", "state", "devices"))


def state(device: Device) -> tuple[str, str, str]:
    device.refresh_from_db()
    return device.verdict, device.status, device.why


def reboot(node: Backend, boot_id: str, devices: int = 2) -> None:
    """Let the node's agent come back after the node has started."""
    boot = Agent.objects.get(pk=node.pk).boot + 1
    make.hello(node, devices, boot=boot)
    Agent.objects.filter(pk=node.pk).update(boot_id=boot_id)
    make.answer(node, "CLEAN")


__all__ = ["sweep"]


def alerts() -> list[tuple[str, str]]:
    found = Alert.objects.filter(OPEN, category__startswith="REPAIR").order_by("pk")
    return [(alert.category, str(alert.subject)) for alert in found]


def described(repair: Repair) -> tuple[str, str, str]:
    repair.refresh_from_db()
    return repair.state, repair.waits_for, repair.hands_reason


def lose(node: Backend) -> None:
    """Let a node be silent for too long."""
    long_ago = db_now() - timedelta(hours=1)
    Agent.objects.filter(pk=node.pk).update(last_seen=long_ago, session=None)
    ManagerPresence.objects.update(since=long_ago - timedelta(hours=1))
    lose_backend(node.pk)


def end_power(state: ActionState, code: str = "") -> None:
    """Let a worker carry out the latest power action."""
    lease = lease_action(PowerAction.objects.latest("pk").pk)
    assert lease
    end_action(lease, state, code=code)
