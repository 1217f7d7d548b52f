"""Power actions that wait: for the node's drain, or for their turn among the power-ons of the group."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from backends.choices import (
    ACTION_TRANSITIONS,
    CANCELABLE,
    DISRUPTIVE,
    HELD,
    POWERS_ON,
    UNDER_WAY,
    ActionState,
    DeviceStatus,
)
from backends.errors import NotCancelable
from backends.models import Backend, BackendGroup, Bmc, Device, PowerAction
from backends.power.turns import next_turn
from backends.signals import devices_freed, power_requested
from core.clock import db_now
from core.tombstone import hold
from events.actor import SYSTEM, Actor
from events.services import record


@transaction.atomic
def release_drained(action_id: int) -> bool:
    """Let an action begin whose node is drained, or end it when its time is over; return whether it changed.

    When the time is over, an action with `drain_force` begins, and any other one fails.
    """
    action = locked_action(PowerAction.objects.filter(pk=action_id, state=ActionState.DRAINING))
    if action is None:
        return False
    if action.backend.deleted_at:
        _end(action, ActionState.CANCELED, code="CANCELED", message="The node was deleted.")
        return True
    hold(action.backend, alone=True)  # waits for transactions that bind jobs; later ones find the action
    in_use = Device.objects.filter(backend=action.backend_id, status__in=(*HELD, DeviceStatus.CLEANING)).exists()
    late = action.drain_until is not None and action.drain_until <= db_now()
    if in_use and late and not action.drain_force:
        _end(action, ActionState.FAILED, code="NOT_DRAINED", message="Jobs still held devices at the end of its time.")
        return True
    if (in_use and not late) or PowerAction.objects.filter(backend=action.backend_id, state__in=UNDER_WAY).exists():
        return False
    _may_become(action, ActionState.QUEUED).update(state=ActionState.QUEUED)
    Bmc.objects.filter(backend=action.backend_id).update(target=action.target)
    record(
        "POWER_DRAINED", actor=SYSTEM, subject=_subject(action), command=action.command, number=action.pk, force=in_use
    )
    power_requested.send(PowerAction, action_id=action.pk)
    return True


@transaction.atomic
def cancel_power(action: PowerAction, *, actor: Actor) -> PowerAction:
    """Cancel an action that has not begun. A drain that it waits for goes on. Raises NotCancelable."""
    found = locked_action(PowerAction.objects.filter(pk=action.pk, state__in=CANCELABLE))
    if found is None:
        raise NotCancelable(id=action.pk)
    _end(found, ActionState.CANCELED, code="CANCELED", actor=actor)
    found.refresh_from_db()
    return found


def _end(action: PowerAction, state: ActionState, *, code: str, message: str = "", actor: Actor = SYSTEM) -> None:
    """End an action that was never sent, and delete the login given for it."""
    waiting = action.state == ActionState.DRAINING
    _may_become(action, state).update(
        state=state, code=code, message=message, ended_at=db_now(), lease_until=None, user="", password=""
    )
    if not waiting:
        Bmc.objects.filter(backend=action.backend_id).update(target="")
    if action.command in DISRUPTIVE and not waiting:  # until now the node was given no jobs
        devices_freed.send(Backend, group_ids=[action.backend.group_id])
    record(
        "POWER_ENDED",
        actor=actor,
        subject=_subject(action),
        command=action.command,
        number=action.pk,
        state=state,
        code=code,
    )


def hold_group_of_turns(action_id: int) -> BackendGroup | None:
    """Lock the group that limits when this action may power its node on; None if no group does.

    Whoever locks a group does it before the BMC and the action.
    """
    rows = BackendGroup.objects.select_for_update(no_key=True)
    limited = rows.filter(power_on_nodes__gt=0, power_on_s__gt=0)
    return limited.filter(backends__power_actions__pk=action_id, backends__power_actions__command__in=POWERS_ON).first()


def take_turn(action: PowerAction, group: BackendGroup, now: datetime) -> bool:
    """Whether a locked action may power its node on now; else its turn is stored, and it waits for it.

    The caller has the lock of the group, so that several workers do not take one turn twice.
    """
    within = timedelta(seconds=group.power_on_s)
    others = PowerAction.objects.filter(backend__group=group, power_on_at__gt=now - within).exclude(pk=action.pk)
    begun = others.filter(power_on_at__lte=now, attempt__gt=0)
    if action.power_on_at and action.power_on_at > now:
        return False
    booked = others.filter(state=ActionState.QUEUED, power_on_at__gt=now)
    counted = begun if action.power_on_at else begun | booked  # one whose turn has come passes those booked later
    times = [at for at in counted.values_list("power_on_at", flat=True) if at]
    turn = next_turn(now, times, nodes=group.power_on_nodes, within=within)
    PowerAction.objects.filter(pk=action.pk).update(power_on_at=turn)
    return turn <= now


def due_for_drain() -> list[int]:
    """Return the ids of the actions that wait for a drain, oldest first."""
    waiting = PowerAction.objects.filter(state=ActionState.DRAINING)
    return list(waiting.order_by("pk").values_list("pk", flat=True))


def locked_action(rows: QuerySet[PowerAction]) -> PowerAction | None:
    """Lock the BMC of an action and then the action, as every transaction that writes both; return the action."""
    list(Bmc.objects.select_for_update().filter(backend__in=rows.values("backend")).values_list("pk"))
    found: PowerAction | None = rows.select_related("backend").select_for_update(of=("self",)).first()
    return found


def _may_become(action: PowerAction, state: ActionState) -> QuerySet[PowerAction]:
    return PowerAction.objects.filter(Q(pk=action.pk), state__in=ACTION_TRANSITIONS.before(state))


def _subject(action: PowerAction) -> str:
    return f"backend/{action.backend_id}"
