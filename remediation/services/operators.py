"""What operators do about repairs: open one, take it over, end it, give it back, have it validated."""

from collections.abc import Collection

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from backends.choices import BackendStatus, ShutdownReason, Verdict
from backends.models import Backend, Device
from backends.services.nodes import set_backend_status
from backends.services.repairs import let_go
from backends.services.verdicts import LONGEST_REASON, clear_verdict
from backends.signals import repair_stirred
from core.clock import db_now
from core.errors import InvalidParameter
from core.texts import require_texts
from core.tombstone import hold
from events.actor import Actor
from remediation.choices import OPEN, RESTING, HandsReason, Origin, Outcome, RepairState
from remediation.errors import NotTakenOver, NotWaiting, RepairOpen, RepairOver
from remediation.models import PENDING, Repair, RepairTarget
from remediation.queries import open_repair_of
from remediation.services.advance import evidence
from remediation.services.situation import read_node
from remediation.services.states import call_hands, locked_repair, record_about, set_state
from remediation.services.steps import abandon_step
from remediation.services.targets import add_targets, end_targets, take_out
from remediation.services.validation import begin_validation


@transaction.atomic
def open_repair(backend: Backend, *, actor: Actor, indexes: Collection[int] = (), reason: str = "") -> Repair:
    """Open a repair of devices with these indexes, or without any of the node as a whole.

    They leave service as their jobs end, and come back when they are validated. Raises RepairOpen, InvalidParameter for
    an index that the node does not have, Conflict for a node that was deleted.
    """
    require_texts(LONGEST_REASON, reason=reason)
    hold(backend)
    devices = dict(Device.objects.filter(backend=backend, index__in=[*indexes]).values_list("index", "pk"))
    if missing := sorted({*indexes} - devices.keys()):
        raise InvalidParameter(_("The node has no such device."), parameter="devices", device=missing[0])
    if open_repair_of(backend.pk) is not None:
        raise RepairOpen(id=backend.pk)
    now = db_now()
    repair = Repair(backend=backend, since=now, opened_at=now, opened_by=actor.name, next_at=now)
    try:
        with transaction.atomic():
            repair.save(force_insert=True)
    except IntegrityError as error:  # the system has opened one meanwhile
        raise RepairOpen(id=backend.pk) from error
    record_about(repair, "OPEN_REPAIR", actor=actor, devices=sorted(devices), reason=reason)
    if devices:
        add_targets(repair, devices.values(), Origin.BY_HAND)
    else:
        RepairTarget.objects.create(repair=repair, origin=Origin.BY_HAND, added_at=now)
        take_out(list(Device.objects.filter(backend=backend).values_list("pk", flat=True)))
    _wake(repair)
    return repair


@transaction.atomic
def take_over(repair: Repair, *, actor: Actor) -> None:
    """Hand a repair over to an operator: the system does nothing about it any more. Raises RepairOver.

    What is under way and can still be withdrawn is withdrawn. The devices stay out of service.
    """
    found = _locked(repair)
    abandon_step(found)
    set_state(found, RepairState.TAKEN_OVER, actor=actor, operator=actor.name)


@transaction.atomic
def hand_back(repair: Repair, *, actor: Actor) -> None:
    """Hand a repair that was taken over back to the system, which begins anew. Raises RepairOver, NotTakenOver."""
    found = _taken_over(repair)
    RepairTarget.objects.filter(PENDING, repair=found).update(level=0, validated=False)
    set_state(found, RepairState.QUARANTINED, actor=actor, operator="")
    _wake(found)


@transaction.atomic
def need_hands(repair: Repair, *, actor: Actor) -> None:
    """Let a repair that was taken over wait for a technician. Raises RepairOver, NotTakenOver."""
    found = _taken_over(repair)
    call_hands(found, HandsReason.BY_OPERATOR, evidence(read_node(found)), actor=actor)


@transaction.atomic
def validate(repair: Repair, *, actor: Actor) -> None:
    """Validate everything that a repair is about, because it was repaired by hand. Raises RepairOver, NotWaiting."""
    found = _at_rest(repair)
    record_about(found, "VALIDATE_REPAIR", actor=actor)
    set_operator_free(found)
    node = read_node(found)
    begin_validation(node, [target.pk for target in node.targets])


@transaction.atomic
def bring_back(repair: Repair, *, reason: str, actor: Actor) -> None:
    """Bring everything back without a validation, because an operator says so. Raises RepairOver, NotWaiting.

    Raises InvalidParameter without a reason.
    """
    reason = reason.strip()
    if not reason:
        raise InvalidParameter(_("Say why."), parameter="reason")
    require_texts(LONGEST_REASON, reason=reason)
    found = _at_rest(repair)
    node = read_node(found)
    targets = list(node.targets)
    end_targets(targets, Outcome.BY_OPERATOR)
    set_state(found, RepairState.RETURNED, actor=actor, operator="")
    let_go(list(node.devices))
    if found.backend.why == ShutdownReason.UNHEALTHY:
        set_backend_status(found.backend, BackendStatus.ACTIVE, actor=actor)
    for target in targets:
        device = node.devices.get(target.device_id or 0)
        if device and device.verdict == Verdict.FAILED:
            clear_verdict(device, reason=reason, actor=actor)


def set_operator_free(repair: Repair) -> None:
    """Store that nobody has taken the repair over any more."""
    Repair.objects.filter(pk=repair.pk).update(operator="")


def _locked(repair: Repair) -> Repair:
    found = locked_repair(repair.pk)
    if found is None or found.state not in OPEN:
        raise RepairOver(id=repair.pk)
    return found


def _taken_over(repair: Repair) -> Repair:
    found = _locked(repair)
    if found.state != RepairState.TAKEN_OVER:
        raise NotTakenOver(id=repair.pk)
    return found


def _at_rest(repair: Repair) -> Repair:
    found = _locked(repair)
    if found.state not in RESTING:
        raise NotWaiting(id=repair.pk)
    return found


def _wake(repair: Repair) -> None:
    repair_stirred.send(Repair, backend_ids=[repair.backend_id])
