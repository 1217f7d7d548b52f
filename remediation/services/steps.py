"""The steps of a repair: each is begun with the order or power action that carries it out, in one transaction."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db.models import Max
from django.db.models.functions import Coalesce

from backends.choices import OrderState, OrderVerb, PowerVerb
from backends.errors import NotCancelable
from backends.models import Order
from backends.services.orders import NewOrder, give_orders
from backends.services.power import request_power
from backends.services.power_waiting import cancel_power
from backends.services.repairs import withdraw_order
from core.clock import db_now
from events.actor import SYSTEM
from remediation.choices import NODE_WIDE, STEP_TRANSITIONS, StepState, StepVerb
from remediation.models import Repair, RepairStep
from remediation.services.states import record_about

ORDERS = {
    StepVerb.CLEAN: OrderVerb.CLEAN,
    StepVerb.RESET: OrderVerb.RESET,
    StepVerb.REBOOT: OrderVerb.REBOOT,
    StepVerb.CHECK: OrderVerb.CHECK,
    StepVerb.CHECK_NODE: OrderVerb.CHECK,
}
LONGEST_EVIDENCE = 2000


def begin_step(repair: Repair, verb: StepVerb, devices: Sequence[int]) -> RepairStep:
    """Begin a step on the devices with these indexes, by an order to the agent or a power action.

    Raises what `request_power` raises.
    """
    step = RepairStep(repair=repair, number=_next_number(repair), verb=verb, devices=list(devices))
    step.started_at = db_now()
    step.until = step.started_at + _time_for(verb)
    step.boot_id = repair.backend.agent.boot_id
    if verb == StepVerb.POWER_CYCLE:
        step.action = request_power(repair.backend, PowerVerb.CYCLE, actor=SYSTEM)
    else:
        about_devices = verb not in (StepVerb.REBOOT, StepVerb.CHECK_NODE)
        order = NewOrder(repair.backend_id, ORDERS[verb], devices=step.devices if about_devices else ())
        (step.order_id,) = give_orders([order])
    step.save(force_insert=True)
    record_about(repair, "BEGIN_REPAIR_STEP", step=step.number, verb=verb, devices=step.devices)
    return step


def note_step(repair: Repair, verb: StepVerb, state: StepState, *, devices: Sequence[int] = (), code: str = "") -> None:
    """Store a step that is not carried out: it is planned only, or was skipped."""
    now = db_now()
    RepairStep.objects.create(
        repair=repair,
        number=_next_number(repair),
        verb=verb,
        state=state,
        dry_run=state == StepState.PLANNED,
        devices=list(devices),
        started_at=now,
        ended_at=now,
        code=code,
    )
    record_about(repair, "END_REPAIR_STEP", verb=verb, state=state, devices=list(devices), code=code)


def end_step(repair: Repair, step: RepairStep, state: StepState, *, code: str = "", evidence: str = "") -> None:
    """End a step that is under way."""
    rows = RepairStep.objects.filter(pk=step.pk, state__in=STEP_TRANSITIONS.before(state))
    if rows.update(state=state, code=code[:32], evidence=evidence[:LONGEST_EVIDENCE], ended_at=db_now()):
        record_about(repair, "END_REPAIR_STEP", step=step.number, verb=step.verb, state=state, code=code)


def abandon_step(repair: Repair) -> None:
    """Abandon the step that is under way, if there is one: what is not begun is withdrawn, the rest goes on."""
    step = running_step(repair)
    if step is None:
        return
    if step.order_id:
        withdraw_order(step.order_id)
    if step.action:
        with suppress(NotCancelable):
            cancel_power(step.action, actor=SYSTEM)
    end_step(repair, step, StepState.ABANDONED)


def running_step(repair: Repair) -> RepairStep | None:
    """Return the step of a repair that is under way."""
    return RepairStep.objects.filter(repair=repair, state=StepState.RUNNING).first()


def order_of(step: RepairStep) -> Order | None:
    """Return the order that carries a step out."""
    return Order.objects.filter(pk=step.order_id).first() if step.order_id else None


def is_settled(order: Order | None) -> bool:
    """Whether an order has ended; one that is no longer there has."""
    return order is None or order.state not in (OrderState.PENDING, OrderState.ACKED)


def _next_number(repair: Repair) -> int:
    last = RepairStep.objects.filter(repair=repair).aggregate(last=Coalesce(Max("number"), 0))["last"]
    return int(last) + 1


def _time_for(verb: StepVerb) -> timedelta:
    return settings.MOREH_REPAIR_BOOT_TIMEOUT if verb in NODE_WIDE else settings.MOREH_REPAIR_ORDER_TIMEOUT
