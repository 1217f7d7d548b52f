from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from backends.choices import (
    ACTION_EDGES,
    DISRUPTIVE,
    HELD,
    UNDER_WAY,
    ActionState,
    PowerStatus,
    PowerVerb,
)
from backends.errors import ActionUnderWay, BackendInUse
from backends.models import Backend, Bmc, Device, PowerAction, PowerAttempt
from backends.signals import power_requested, power_seen_off
from moreh_cloud.alerts.choices import Category, Level
from moreh_cloud.alerts.services import clear_alert, raise_alert
from moreh_cloud.events.actor import SYSTEM, Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.clock import db_now, to_ms
from moreh_cloud.lib.errors import Conflict

TARGETS: Mapping[str, PowerStatus] = {
    PowerVerb.ON: PowerStatus.ON,
    PowerVerb.CYCLE: PowerStatus.ON,
    PowerVerb.RESET: PowerStatus.ON,
    PowerVerb.OFF: PowerStatus.OFF,
    PowerVerb.SOFT: PowerStatus.OFF,
}
ONCE = (PowerVerb.RESET, PowerVerb.SOFT)  # what must never be sent a second time


class LeaseLost(Conflict):
    """Another worker has taken the action over; this one may neither send nor write."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's right to an action: its number and the attempt under which alone results count."""

    action_id: int
    attempt: int

    def rows(self) -> QuerySet[PowerAction]:
        return PowerAction.objects.filter(pk=self.action_id, attempt=self.attempt, state__in=UNDER_WAY)

    def prolong(self) -> None:
        """Keep the action for another MOREH_POWER_LEASE. Raises LeaseLost."""
        if not self.rows().update(lease_until=db_now() + settings.MOREH_POWER_LEASE):
            raise LeaseLost(action=self.action_id)


@transaction.atomic
def request_power(
    backend: Backend, verb: PowerVerb, *, actor: Actor, force: bool = False, user: str = "", password: str = ""
) -> PowerAction:
    """Ask a worker to do something with a node's BMC; a login given here is used for this action only.

    Raises ActionUnderWay, and BackendInUse for what would end jobs unless `force`.
    """
    if verb in DISRUPTIVE and not force and Device.objects.filter(backend=backend, status__in=HELD).exists():
        raise BackendInUse(id=backend.pk, command=verb)
    action = PowerAction(
        backend=backend, command=verb, target=TARGETS.get(verb, ""), actor=actor.name, requested_at=db_now()
    )
    action.user, action.password = user, password
    try:
        with transaction.atomic():
            action.save(force_insert=True)
    except IntegrityError as error:
        raise ActionUnderWay(id=backend.pk) from error
    Bmc.objects.filter(backend=backend).update(target=action.target)
    record("POWER", actor=actor, subject=f"backend/{backend.pk}", command=verb, number=action.pk, force=force)
    power_requested.send(PowerAction, action_id=action.pk)
    return action


@transaction.atomic
def claim_action(action_id: int) -> Claim | None:
    """Take an action that waits or whose worker has lost its lease; None when there is nothing to do.

    An action that must not be repeated and was sent is ended as UNKNOWN here.
    """
    action = PowerAction.objects.select_for_update().filter(pk=action_id, state__in=UNDER_WAY).first()
    now = db_now()
    if action is None or (action.lease_until and action.lease_until > now):
        return None
    claim = Claim(action.pk, action.attempt + 1)
    PowerAction.objects.filter(pk=action.pk).update(attempt=claim.attempt, lease_until=now + settings.MOREH_POWER_LEASE)
    PowerAttempt.objects.filter(action=action, ended_at=None).update(ended_at=now, code="WORKER_LOST")
    PowerAttempt.objects.create(action=action, number=claim.attempt, started_at=now)
    if action.state == ActionState.SENT:
        message = "The worker died after it was sent; whether it was carried out is not known."
        end_action(claim, ActionState.UNKNOWN, code="UNKNOWN", message=message)
        return None
    _advance(claim, ActionState.RUNNING)
    return claim


def record_sent(claim: Claim, command: PowerVerb) -> None:
    """Write down that a command is about to leave. Raises LeaseLost: then it must not leave."""
    with transaction.atomic():
        action = claim.rows().select_for_update().first()
        if action is None:
            raise LeaseLost(action=claim.action_id)
        now = db_now()
        claim.rows().update(sent=[*action.sent, command], sent_at=now, lease_until=now + settings.MOREH_POWER_LEASE)
        if command in ONCE:
            _advance(claim, ActionState.SENT)
        Bmc.objects.filter(backend=action.backend_id).update(commanded_at=now)


@transaction.atomic
def end_action(claim: Claim, state: ActionState, *, code: str = "", message: str = "") -> bool:
    """End an action, and forget the login that came with it; only its current attempt can."""
    action = claim.rows().select_for_update().first()
    if action is None:
        return False
    now = db_now()
    claim.rows().update(
        state=state, code=code, message=message[:512], ended_at=now, lease_until=None, user="", password=""
    )
    attempt = PowerAttempt.objects.filter(action=action, number=claim.attempt)
    attempt.update(ended_at=now, code=code or state, message=message[:512])
    Bmc.objects.filter(backend=action.backend_id).update(target="")
    subject = f"backend/{action.backend_id}"
    record(
        "POWER_ENDED", actor=SYSTEM, subject=subject, command=action.command, number=action.pk, state=state, code=code
    )
    if state == ActionState.UNKNOWN:
        content = f"Power action {action.pk} ({action.command}): {message}"
        raise_alert(Category.POWER_UNKNOWN, subject=subject, content=content, level=Level.CRITICAL)
    return True


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look at a BMC gave: its power, or why there was no answer (`error`, a code)."""

    status: PowerStatus
    error: str = ""


@transaction.atomic
def note_sights(sights: Mapping[int, Sight]) -> None:
    """Store what was seen of many BMCs, by backend id, and tell the floors above which nodes are off."""
    now = db_now()
    rows = Bmc.objects.select_for_update().in_bulk(sights)
    for pk, bmc in rows.items():
        _note_reachability(bmc, sights[pk])
        bmc.status, bmc.error, bmc.checked_at = sights[pk].status, sights[pk].error[:255], now
    Bmc.objects.bulk_update(rows.values(), ["status", "error", "checked_at"], batch_size=200)
    for pk in (pk for pk, bmc in rows.items() if bmc.status == PowerStatus.OFF):
        power_seen_off.send(Bmc, backend_id=pk)


def _note_reachability(bmc: Bmc, sight: Sight) -> None:
    subject = f"backend/{bmc.pk}"
    if sight.error and not bmc.error:
        raise_alert(Category.BMC_UNREACHABLE, subject=subject, content=f"BMC {bmc}: {sight.error}")
    elif bmc.error and not sight.error:
        clear_alert(Category.BMC_UNREACHABLE, subject=subject)


@transaction.atomic
def note_wrong_login(backend_id: int, keep: Iterable[datetime]) -> None:
    """Remember a wrong login beside the recent ones in `keep`, so that no account is locked by our trying."""
    times = [to_ms(at) for at in keep] + [to_ms(db_now())]
    Bmc.objects.filter(backend=backend_id).update(wrong_logins=times)


@transaction.atomic
def note_weakness(bmc: Bmc, *, weak: bool) -> None:
    """Flag a BMC that lets anyone in over cipher suite 0, with an alert; or take the flag off."""
    Bmc.objects.filter(pk=bmc.pk).update(weak=weak)
    subject = f"backend/{bmc.pk}"
    if weak:
        content = f"BMC {bmc} carries out commands without a password (cipher suite 0)."
        raise_alert(Category.BMC_WEAK, subject=subject, content=content, level=Level.CRITICAL)
    else:
        clear_alert(Category.BMC_WEAK, subject=subject)


def forget_weakness(bmc: Bmc) -> None:
    """Have it looked at again whether the BMC lets strangers in."""
    Bmc.objects.filter(pk=bmc.pk).update(weak=None)


def _advance(claim: Claim, state: ActionState) -> None:
    come_from = [before for before, after in ACTION_EDGES.items() if state in after]
    if not claim.rows().filter(state__in=come_from).update(state=state):
        raise LeaseLost(action=claim.action_id)
