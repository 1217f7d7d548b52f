"""The situation of a node in repair, read under the locks of its repair and devices in a fixed number of queries."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from backends.choices import HELD, NOT_OVER, BackendStatus, DeviceStatus, ShutdownReason
from backends.models import Device, Finding, PowerAction
from backends.queries import silence_cutoff
from backends.queries.health import failing_findings
from backends.queries.maintenance import in_maintenance
from backends.services.verdicts import CHECK_FAILED
from core.clock import db_now
from remediation.choices import ACTIVE, StepVerb
from remediation.decide import RepairRules, Situation, Target
from remediation.models import PENDING, Repair, RepairTarget
from remediation.queries import attempts_today, in_repair, is_switched_off, nodes_of

USED = (*HELD, DeviceStatus.CLEANING)


@dataclass(frozen=True, slots=True)
class Node:
    """A node in repair: its repair and devices, which are locked, and what is wrong with them."""

    repair: Repair
    targets: list[RepairTarget]
    devices: dict[int, Device]
    findings: dict[int, list[Finding]] = field(default_factory=dict)
    now: datetime = field(default_factory=db_now)

    def is_there(self) -> bool:
        """Whether the node's agent has a stream and is not silent."""
        agent = self.repair.backend.agent
        return bool(agent.session and agent.last_seen and agent.last_seen >= silence_cutoff(self.now))

    def whole(self) -> bool:
        """Whether the repair is about the node as a whole."""
        return any(target.device_id is None for target in self.targets)

    def is_kept_out(self) -> bool:
        """Whether all its devices are kept out of service, as for a drain of the whole node."""
        return all(device.in_repair for device in self.devices.values())

    def failing(self, device: Device) -> list[Finding]:
        """Return the findings for which a device has failed."""
        return self.findings.get(device.pk, [])

    def indexes(self, ids: tuple[int, ...]) -> list[int]:
        """Return the indexes of the devices of these targets; those of all devices for the node as a whole."""
        chosen = {target.device_id for target in self.targets if target.pk in ids}
        return sorted(one.index for one in self.devices.values() if None in chosen or one.pk in chosen)


def read_node(repair: Repair) -> Node:
    """Read a node whose repair is locked, and lock its devices."""
    rows = Device.objects.select_for_update(of=("self",), no_key=True).select_related("card")
    devices = rows.filter(backend=repair.backend_id).order_by("pk")
    by_id = {device.pk: device for device in devices}
    found: dict[int, list[Finding]] = defaultdict(list)
    for finding in failing_findings().filter(device__in=by_id):
        found[finding.device_id].append(finding)
    targets = list(RepairTarget.objects.filter(PENDING, repair=repair).order_by("pk"))
    return Node(repair, targets, by_id, dict(found))


def situation_of(node: Node) -> Situation:
    """Return what decides about the next step."""
    repair, group = node.repair, node.repair.backend.group
    chosen = [node.devices[target.device_id] for target in node.targets if target.device_id]
    shut_down = repair.backend.status == BackendStatus.SHUTDOWN and repair.backend.why == ShutdownReason.OPERATOR
    operator = (
        shut_down or in_maintenance(repair.backend_id) or (not node.is_there() and is_switched_off(repair.backend))
    )
    taken = [is_an_operators(device) for device in node.devices.values()]
    limit = max(1, nodes_of(group.pk) * group.repair_percent // 100)
    has_room = repair.state in ACTIVE or in_repair(group.pk, but=repair.pk) < limit
    return Situation(
        targets=[_target(node, target) for target in node.targets],
        rules=rules_of(repair),
        attempts=attempts_today(repair.backend_id, node.now),
        agent=node.is_there(),
        bmc=repair.backend.bmc.ip is not None,
        operator=operator or any(map(is_an_operators, chosen)) or bool(node.whole() and taken and all(taken)),
        operator_on_node=operator or any(taken),
        power=PowerAction.objects.filter(backend=repair.backend_id, state__in=NOT_OVER).exists(),
        busy=any(device.status in USED for device in node.devices.values()),
        has_room=has_room,
        late=repair.drain_until is not None and repair.drain_until <= node.now,
        drains_node=node.is_kept_out(),
    )


def rules_of(repair: Repair) -> RepairRules:
    """Return what the group of a node allows."""
    group = repair.backend.group
    columns = {
        StepVerb.CLEAN: group.repair_clean,
        StepVerb.RESET: group.repair_reset,
        StepVerb.REBOOT: group.repair_reboot,
        StepVerb.POWER_CYCLE: group.repair_power_cycle,
    }
    allowed = frozenset(verb for verb, is_allowed in columns.items() if is_allowed)
    return RepairRules(allowed, group.repair_dry_run, group.repair_attempts, group.repair_force)


def is_an_operators(device: Device) -> bool:
    """Whether an operator has taken a device out of service, or drains it."""
    if device.status == DeviceStatus.BUSY or (device.drain_to and not device.verdict_drains):
        return True
    return device.status == DeviceStatus.SHUTDOWN and device.why == ShutdownReason.OPERATOR


def _target(node: Node, target: RepairTarget) -> Target:
    if target.device_id is None:
        return Target(target.pk, None, target.level, target.validated, faulty=is_down(node))
    device = node.devices[target.device_id]
    faulty = any(finding.code != CHECK_FAILED for finding in node.failing(device))
    return Target(target.pk, device.index, target.level, target.validated, faulty, device.status in USED)


def is_down(node: Node) -> bool:
    """Whether the node as a whole is out of service, but not by an operator, or its agent is silent."""
    backend = node.repair.backend
    by_fault = backend.status == BackendStatus.SHUTDOWN and backend.why != ShutdownReason.OPERATOR
    return by_fault or not node.is_there()
