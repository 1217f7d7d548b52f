"""What a repair is about: devices and the node as a whole, added and ended."""

from collections.abc import Collection, Iterable

from backends.choices import Verdict
from backends.models import Device
from backends.services.repairs import end_verdicts, keep_out, let_go
from core.clock import db_now
from remediation.choices import Origin, Outcome
from remediation.models import PENDING, Repair, RepairTarget
from remediation.services.situation import Node
from scheduler.services.nodes import unused_devices


def add_targets(repair: Repair, devices: Iterable[int], origin: Origin) -> None:
    """Add devices to a repair, and keep them out of service until they are validated."""
    now, ids = db_now(), list(devices)
    RepairTarget.objects.bulk_create(
        (RepairTarget(repair=repair, device_id=pk, origin=origin, added_at=now) for pk in ids), ignore_conflicts=True
    )
    take_out(ids)


def take_out(devices: Collection[int]) -> None:
    """Keep devices out of service, also those that reserved SDAs hold without a job."""
    keep_out(devices, unused=unused_devices(Device.objects.filter(pk__in=devices)))


def adopt_failed(node: Node) -> bool:
    """Add the failed devices of a node that its repair is not about yet; return whether there were any."""
    known = {target.device_id for target in node.targets}
    new = [one.pk for one in node.devices.values() if one.verdict == Verdict.FAILED and one.pk not in known]
    if new:
        add_targets(node.repair, new, Origin.DEVICE_FAILED)
    return bool(new)


def end_cleared(node: Node) -> bool:
    """End the targets whose verdicts an operator has cleared; return whether there were any.

    A device whose card was exchanged is no longer failed either, but is validated.
    """
    cleared = []
    for target in node.targets:
        device = node.devices.get(target.device_id or 0)
        if device is None or target.origin != Origin.DEVICE_FAILED or device.verdict == Verdict.FAILED:
            continue
        if not (hasattr(device, "card") and device.card.since > target.added_at):
            cleared.append(target)
    if cleared:
        end_targets(cleared, Outcome.BY_OPERATOR)
        let_go([target.device_id for target in cleared if target.device_id])
    return bool(cleared)


def end_targets(targets: Collection[RepairTarget], outcome: Outcome) -> None:
    """End the repair of targets."""
    rows = RepairTarget.objects.filter(PENDING, pk__in=[target.pk for target in targets])
    rows.update(ended_at=db_now(), outcome=outcome)


def return_devices(node: Node, devices: Collection[Device]) -> None:
    """Bring devices back whose validation has succeeded."""
    ids = {device.pk for device in devices}
    end_targets([target for target in node.targets if target.device_id in ids], Outcome.VALIDATED)
    end_verdicts(ids)


def let_neighbours_go(node: Node) -> None:
    """End the keeping out of devices that the repair is not about, unless it is about the node as a whole."""
    if node.whole():
        return
    ours = {target.device_id for target in node.targets}
    if others := [one.pk for one in node.devices.values() if one.in_repair and one.pk not in ours]:
        let_go(others)


def try_level(ids: Collection[int], level: int) -> None:
    """Store that a remedy of this level was tried on targets, which have to be validated after it."""
    RepairTarget.objects.filter(pk__in=ids).update(level=level, validated=False)


def fail_validation(targets: Collection[RepairTarget]) -> None:
    """Store that the validation of targets has failed."""
    RepairTarget.objects.filter(pk__in=[target.pk for target in targets]).update(validated=True)
