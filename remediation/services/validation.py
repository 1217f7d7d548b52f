"""The validation of a repair: the health check of the node and of its devices; only success brings them back."""

from collections.abc import Collection
from datetime import datetime

from django.conf import settings

from backends.choices import BackendStatus, OrderState
from backends.models import Device, Finding, Order
from backends.services.repairs import let_go, withdraw_order
from backends.services.verdicts import CHECK_FAILED
from remediation.choices import Outcome, RepairState, StepState, StepVerb, WaitReason
from remediation.models import RepairStep, RepairTarget
from remediation.services.situation import USED, Node
from remediation.services.states import set_state
from remediation.services.steps import begin_step, end_step, is_settled, order_of
from remediation.services.targets import end_targets, fail_validation, return_devices


def begin_validation(node: Node, ids: Collection[int]) -> None:
    """Begin to validate targets: first the node if it is concerned, then devices."""
    chosen = [target for target in node.targets if target.pk in ids]
    RepairTarget.objects.filter(pk__in=[target.pk for target in chosen]).update(validated=False)
    for target in chosen:
        target.validated = False
    set_state(node.repair, RepairState.VALIDATION, waits_for=WaitReason.ORDER, drain_until=None)
    if any(target.device_id is None for target in chosen):
        begin_step(node.repair, StepVerb.CHECK_NODE, [])
    else:
        _check_devices(node)


def follow_validation(node: Node, step: RepairStep) -> bool:
    """Act on the result of a check; return False if it has to be waited for."""
    order = order_of(step)
    if not is_settled(order):
        if step.until is None or node.now < step.until:
            return False
        withdraw_order(order.pk)  # type: ignore[union-attr]
        order = None
    if step.verb == StepVerb.CHECK_NODE:
        return _node_checked(node, step, order)
    return _devices_checked(node, step, order)


def _check_devices(node: Node) -> bool:
    """Check the devices that wait for their validation, and those that were only kept out meanwhile; False: none."""
    waiting = {target.device_id for target in node.targets if not target.validated}
    ours = {target.device_id for target in node.targets}
    free = [one for one in node.devices.values() if one.in_repair and one.status not in USED]
    chosen = sorted(one.index for one in free if one.pk in waiting or one.pk not in ours)
    if chosen:
        begin_step(node.repair, StepVerb.CHECK, chosen)
    return bool(chosen)


def _node_checked(node: Node, step: RepairStep, order: Order | None) -> bool:
    passed = order is not None and order.state == OrderState.DONE and node.repair.backend.status == BackendStatus.ACTIVE
    if passed:
        end_step(node.repair, step, StepState.SUCCEEDED)
        if not _check_devices(node):
            _conclude(node, [])
        return True
    end_step(node.repair, step, StepState.FAILED, code=_code(order), evidence=order.error if order else "")
    fail_validation([target for target in node.targets if not target.validated])
    set_state(node.repair, RepairState.QUARANTINED)
    return True


def _devices_checked(node: Node, step: RepairStep, order: Order | None) -> bool:
    checked = [one for one in node.devices.values() if one.index in step.devices]
    good = [one for one in checked if _has_passed(one, step, order) and not node.failing(one)]
    bad = [one for one in checked if one not in good]
    reported = [one for one in bad if _has_passed(one, step, order) and _is_only_reported(node, one)]
    if reported and _may_end(node, order):
        return_devices(node, good)
        if node.repair.waits_for != WaitReason.REPORT:
            set_state(node.repair, RepairState.VALIDATION, waits_for=WaitReason.REPORT)
        return False
    state = StepState.FAILED if bad else StepState.SUCCEEDED
    code = _code(order) if bad else ""
    end_step(node.repair, step, state, code=code, evidence=_evidence(node, bad, order))
    return_devices(node, good)
    new = {one.pk for one in bad if _is_exchanged(one, step.started_at)}
    # An agent that has passed the node may leave out devices: those in use, or as an older one, all of them.
    skipped = {one.pk for one in bad} if order is None or order.state != OrderState.DONE else new
    _conclude(node, bad, new=new, unchecked=skipped - {target.device_id for target in node.targets})
    return True


def _has_passed(device: Device, step: RepairStep, order: Order | None) -> bool:
    """Whether the agent has checked a device, on which no worker was, with the card that is in its place."""
    if order is None or order.state != OrderState.DONE or device.checked_at is None:
        return False
    return device.checked_at >= step.started_at and not _is_exchanged(device, device.checked_at)


def _is_exchanged(device: Device, since: datetime) -> bool:
    """Whether another card is in the place of a device since then."""
    return hasattr(device, "card") and device.card.since > since


def _is_only_reported(node: Node, device: Device) -> bool:
    """Whether a device has passed the check itself, and only what is reported about it speaks against it."""
    return all(finding.code != CHECK_FAILED for finding in node.failing(device))


def _may_end(node: Node, order: Order | None) -> bool:
    """Whether findings may still be those of before: the agent's next report, or the next look, ends them."""
    return bool(order and order.settled_at and node.now < order.settled_at + settings.MOREH_REPAIR_SETTLE)


def _conclude(
    node: Node, bad: Collection[Device], *, new: Collection[int] = (), unchecked: Collection[int] = ()
) -> None:
    """End the repair of the node as a whole, whose check has succeeded, and that of everything if nothing is left.

    The node as a whole is not back while devices are `unchecked` that were out only because of it. Devices with `new`
    cards are validated again.
    """
    failed = {device.pk for device in bad} - {*new}
    left = [target for target in node.targets if target.device_id in failed]
    whole = [target for target in node.targets if target.device_id is None and not target.validated]
    end_targets([] if unchecked else whole, Outcome.VALIDATED)
    fail_validation([*left, *whole] if failed & {*unchecked} else left)
    pending = RepairTarget.objects.filter(repair=node.repair, ended_at=None)
    if pending.exists():
        set_state(node.repair, RepairState.QUARANTINED)
        return
    let_go(list(node.devices))
    set_state(node.repair, RepairState.RETURNED)


def _code(order: Order | None) -> str:
    return "NO_ANSWER" if order is None else "NOT_PASSED" if order.state == OrderState.DONE else order.state


def _evidence(node: Node, bad: Collection[Device], order: Order | None) -> str:
    lines = [f"{one.index:02}: {evidence_of(node.failing(one)) or 'not checked'}" for one in bad]
    return "\n".join([*lines, *([order.error] if bad and order and order.error else [])])


def evidence_of(findings: Collection[Finding]) -> str:
    """Return what findings say, for a person."""
    return "; ".join(f"{finding} {finding.text}".strip() for finding in findings)
