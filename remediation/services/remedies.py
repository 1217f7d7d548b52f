"""How a remedy goes on: by its order or power action, and by what is seen of the node afterwards."""

from datetime import datetime

from backends.choices import NOT_OVER, ActionState, OrderState
from backends.models import Order
from backends.services.repairs import note_cleaned, withdraw_order
from remediation.choices import LEVELS, RepairState, StepState, StepVerb, WaitReason
from remediation.models import RepairStep
from remediation.services.situation import Node
from remediation.services.states import set_state
from remediation.services.steps import end_step, is_settled, order_of
from remediation.services.validation import begin_validation


def follow_remedy(node: Node, step: RepairStep) -> bool:
    """Act on the end of a remedy; return False if it has to be waited for."""
    if step.verb == StepVerb.POWER_CYCLE:
        return _after_power(node, step)
    order = order_of(step)
    if step.verb == StepVerb.REBOOT:
        return _after_reboot(node, step, order)
    if not is_settled(order):
        return _wait(node, step, WaitReason.ORDER, order)
    return _settled(node, step, order)


def _after_power(node: Node, step: RepairStep) -> bool:
    action = step.action
    if action and action.state in NOT_OVER:
        return _wait(node, step, WaitReason.POWER, None, limited=False)
    if action is None or action.state != ActionState.SUCCEEDED:
        return _fail(node, step, action.code if action else "LOST", action.message if action else "")
    return _succeed(node, step) if _is_back(node, action.ended_at) else _wait(node, step, WaitReason.BOOT, None)


def _after_reboot(node: Node, step: RepairStep, order: Order | None) -> bool:
    """A reboot is known by another boot id of the node, whatever became of the order."""
    agent = node.repair.backend.agent
    if step.boot_id and agent.boot_id != step.boot_id and _is_back(node, step.started_at):
        if order and not is_settled(order):
            withdraw_order(order.pk)
        return _succeed(node, step)
    if order is None or order.state == OrderState.FAILED:
        return _fail(node, step, "REFUSED", order.error if order else "")
    if order.state == OrderState.DONE and not step.boot_id and _is_back(node, order.settled_at):
        return _succeed(node, step)
    waits_for = WaitReason.ORDER if order.state == OrderState.PENDING else WaitReason.BOOT
    return _wait(node, step, waits_for, order)


def _settled(node: Node, step: RepairStep, order: Order | None) -> bool:
    if order and order.state == OrderState.DONE:
        return _succeed(node, step)
    return _fail(node, step, "REFUSED" if order else "LOST", order.error if order else "")


def _is_back(node: Node, since: datetime | None) -> bool:
    """Whether the agent has a stream and was seen after a time."""
    seen = node.repair.backend.agent.last_seen
    return bool(node.is_there() and seen and since and seen > since)


def _wait(node: Node, step: RepairStep, reason: WaitReason, order: Order | None, *, limited: bool = True) -> bool:
    """Wait on; when the time of the step is over, it has failed. An order is withdrawn, so that it never comes late."""
    if limited and step.until and node.now >= step.until:
        if order:
            withdraw_order(order.pk)
        return _fail(node, step, "NO_ANSWER" if reason == WaitReason.ORDER else "NOT_BACK", "")
    if node.repair.waits_for != reason:
        set_state(node.repair, RepairState.REMEDY, waits_for=reason)
    return False


def _succeed(node: Node, step: RepairStep) -> bool:
    """End the step and validate what it was for."""
    end_step(node.repair, step, StepState.SUCCEEDED)
    if step.verb in (StepVerb.CLEAN, StepVerb.RESET):
        note_cleaned(node.repair.backend_id, step.devices)
    level = LEVELS[StepVerb(step.verb)]
    begin_validation(node, [one.pk for one in node.targets if one.level == level and not one.validated])
    return False


def _fail(node: Node, step: RepairStep, code: str, evidence: str) -> bool:
    """End the step; the next remedy is decided without a validation, because nothing has changed."""
    end_step(node.repair, step, StepState.FAILED, code=code, evidence=evidence)
    for target in node.targets:
        if target.level == LEVELS[StepVerb(step.verb)]:
            target.validated = True
            target.save(update_fields=["validated"])
    set_state(node.repair, RepairState.QUARANTINED)
    return True
