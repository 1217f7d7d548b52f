"""Power actions: requested by operators, carried out by workers under a lease."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from alerts.choices import Category, Level
from alerts.codes import Code
from alerts.services import clear_alert, raise_alert
from alerts.subjects import node
from backends.choices import (
    ACTION_TRANSITIONS,
    DISRUPTIVE,
    HELD,
    NOT_OVER,
    UNDER_WAY,
    ActionState,
    PowerStatus,
    PowerVerb,
)
from backends.errors import ActionUnderWay, BackendInUse, NoBmc
from backends.models import Backend, Bmc, Device, PowerAction, PowerAttempt
from backends.services.bmc_requests import require_allowance
from backends.services.logins import require_login
from backends.services.power_waiting import hold_group_of_turns, locked_action, take_turn
from backends.signals import devices_freed, power_requested
from core.clock import db_now
from core.lease import Lease, is_leased
from core.tombstone import hold
from events.actor import SYSTEM, Actor
from events.services import record

TARGETS: Mapping[str, PowerStatus] = {
    PowerVerb.ON: PowerStatus.ON,
    PowerVerb.CYCLE: PowerStatus.ON,
    PowerVerb.RESET: PowerStatus.ON,
    PowerVerb.OFF: PowerStatus.OFF,
    PowerVerb.SOFT: PowerStatus.OFF,
}
ONCE = (PowerVerb.RESET, PowerVerb.SOFT)  # these must never be sent twice


class PowerLease(Lease):
    """The lease of a power action: only its holder may send commands and write results."""

    model, counter, valid = PowerAction, "attempt", Q(state__in=UNDER_WAY)

    @staticmethod
    def duration() -> timedelta:
        return settings.MOREH_POWER_LEASE


@dataclass(frozen=True, slots=True)
class DrainFirst:
    """An action waits until its node is drained, at most until a time; then it begins if `force`, else it fails."""

    until: datetime
    force: bool = False


@transaction.atomic
def request_power(
    backend: Backend,
    verb: PowerVerb,
    *,
    actor: Actor,
    force: bool = False,
    user: str = "",
    password: str = "",
    drain: DrainFirst | None = None,
) -> PowerAction:
    """Create a power action for a worker to carry out; a login given here is used for this action only.

    With `drain` it waits; call `scheduler.services.power.drain_then`, which drains the node. Raises NoBmc,
    ActionUnderWay, BmcAskedTooOften, InvalidParameter for a login that cannot be sent, and BackendInUse, unless
    `force`, for a command that would end jobs.
    """
    bmc = Bmc.objects.select_for_update().get(backend=backend)
    if bmc.ip is None:
        raise NoBmc(id=backend.pk)
    require_login(bmc.driver, user=user, password=password or None)
    if verb not in TARGETS:  # nobody waits to switch power because a BMC was read too often
        require_allowance(bmc, db_now())
    # A disruptive one waits for transactions that bind jobs to the node; later ones find the action.
    hold(backend, alone=verb in DISRUPTIVE)
    may_end_jobs = force or drain or verb not in DISRUPTIVE
    if not may_end_jobs and Device.objects.filter(backend=backend, status__in=HELD).exists():
        raise BackendInUse(id=backend.pk, command=verb)
    action = PowerAction(
        backend=backend, command=verb, target=TARGETS.get(verb, ""), actor=actor.name, requested_at=db_now()
    )
    action.user, action.password = user, password
    if drain:
        action.state, action.drain_until, action.drain_force = ActionState.DRAINING, drain.until, drain.force
    # A query, because an insert would wait for the transaction that writes the action under way.
    in_the_way = (ActionState.DRAINING,) if drain else NOT_OVER if verb in DISRUPTIVE else UNDER_WAY
    if PowerAction.objects.filter(backend=backend, state__in=in_the_way).exists():
        raise ActionUnderWay(id=backend.pk)
    action.save(force_insert=True)
    details: dict[str, Any] = {"drain_until": drain.until.isoformat(), "drain_force": drain.force} if drain else {}
    subject = f"backend/{backend.pk}"
    record("POWER", actor=actor, subject=subject, command=verb, number=action.pk, force=force, **details)
    if not drain:
        Bmc.objects.filter(backend=backend).update(target=action.target)
        power_requested.send(PowerAction, action_id=action.pk)
    return action


@transaction.atomic
def lease_action(action_id: int) -> PowerLease | None:
    """Take the lease of an action that waits, or whose worker has lost it; return None if there is nothing to do now.

    An action that was sent and must not be repeated ends here as UNKNOWN. One that powers a node on waits for its turn.
    """
    group = hold_group_of_turns(action_id)
    action = locked_action(PowerAction.objects.filter(pk=action_id, state__in=UNDER_WAY))
    now = db_now()
    if action is None or is_leased(action, now):
        return None
    if group and action.state == ActionState.QUEUED and not take_turn(action, group, now):
        return None
    lease = PowerLease.take(action, now)
    PowerAttempt.objects.filter(action=action, ended_at=None).update(ended_at=now, code="WORKER_LOST")
    PowerAttempt.objects.create(action=action, number=lease.number, started_at=now)
    if action.state == ActionState.SENT:
        message = "The worker died after it was sent; whether it was carried out is not known."
        end_action(lease, ActionState.UNKNOWN, code="UNKNOWN", message=message)
        return None
    _advance(lease, ActionState.RUNNING)
    return lease


def record_sent(lease: PowerLease, command: PowerVerb) -> None:
    """Record that a command is about to be sent. Raises LeaseLost: then it must not be sent."""
    with transaction.atomic():
        action = locked_action(lease.rows())
        if action is None:
            raise lease.lost()
        now = db_now()
        lease.rows().update(sent=[*action.sent, command], sent_at=now, lease_until=now + lease.duration())
        if command in ONCE:
            _advance(lease, ActionState.SENT)
        Bmc.objects.filter(backend=action.backend_id).update(commanded_at=now)


@transaction.atomic
def end_action(lease: PowerLease, state: ActionState, *, code: str = "", message: str = "") -> bool:
    """End an action and delete the login given for it; return False when the lease was lost."""
    action = locked_action(lease.rows())
    if action is None:
        return False
    now = db_now()
    _may_become(lease, state).update(
        state=state, code=code, message=message[:512], ended_at=now, lease_until=None, user="", password=""
    )
    attempt = PowerAttempt.objects.filter(action=action, number=lease.number)
    attempt.update(ended_at=now, code=code or state, message=message[:512])
    Bmc.objects.filter(backend=action.backend_id).update(target="")
    if action.command in DISRUPTIVE:  # until now the node was given no jobs
        devices_freed.send(
            Backend, group_ids=[Backend.objects.values_list("group_id", flat=True).get(pk=action.backend_id)]
        )
    subject = f"backend/{action.backend_id}"
    record(
        "POWER_ENDED", actor=SYSTEM, subject=subject, command=action.command, number=action.pk, state=state, code=code
    )
    if state != ActionState.UNKNOWN:
        clear_alert(Category.POWER_UNKNOWN, node(action.backend_id))
    else:
        said = {"action": action.pk, "command": str(action.command), "message": message}
        raise_alert(Code.POWER_UNKNOWN, node(action.backend_id), level=Level.CRITICAL, **said)
    return True


def _advance(lease: PowerLease, state: ActionState) -> None:
    if not _may_become(lease, state).update(state=state):
        raise lease.lost()


def _may_become(lease: PowerLease, state: ActionState) -> QuerySet[PowerAction]:
    return lease.rows().filter(state__in=ACTION_TRANSITIONS.into(state))
