"""What the system does next about a repair. Each step is one transaction, under the lock of the repair."""

from collections.abc import Callable
from datetime import timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from backends.choices import ShutdownReason, Verdict
from backends.errors import ActionUnderWay, BackendInUse, BmcAskedTooOften, NoBmc
from backends.models import Bmc, Device
from core.errors import Message
from core.stored_text import StoredText
from events.actor import SYSTEM
from remediation.choices import (
    DECIDING,
    LEVELS,
    OVER,
    RESTING,
    HandsReason,
    Outcome,
    RepairState,
    StepState,
    StepVerb,
    WaitReason,
)
from remediation.decide import Decision, DecisionKind, Situation, decide, impossible_remedies
from remediation.models import Breaker, Repair, RepairTarget
from remediation.queries import ended_since
from remediation.services.remedies import follow_remedy
from remediation.services.situation import Node, is_down, read_node, situation_of
from remediation.services.states import Evidence, call_hands, locked_repair, set_state, wait_on
from remediation.services.steps import abandon_step, begin_step, note_step, running_step
from remediation.services.targets import adopt_failed, end_cleared, end_targets, let_neighbours_go, take_out, try_level
from remediation.services.validation import begin_validation, evidence_of, follow_validation
from scheduler.choices import Cause, JobStatus
from scheduler.queries.jobs import jobs_on
from scheduler.services.jobs import end_jobs

MOST_STEPS = 12  # of one repair in a row; each is a transaction
"""More than a dry run of all remedies takes."""


def advance(repair_id: int) -> None:
    """Do what can be done about a repair until it waits for something; safe to call at any time."""
    for _step in range(MOST_STEPS):
        moved, then = _advance(repair_id)
        if then:
            then()
        if not moved:
            return


@transaction.atomic
def _advance(repair_id: int) -> tuple[bool, Callable[[], object] | None]:
    """Do one step; return whether it is worth looking again, and what is left to do outside of the transaction."""
    repair = _locked(repair_id)
    if repair is None or _is_not_ours(repair):
        return False, None
    node = read_node(repair)
    if end_cleared(node) | adopt_failed(node):
        if repair.state == RepairState.NEEDS_HANDS and not _waits_by_operator(repair):
            set_state(repair, RepairState.QUARANTINED)
        return True, None
    if not node.targets:
        _end(node)
        return False, None
    if repair.state in DECIDING:
        return _decide(node)
    moved = _look_at_rest(node) if repair.state in RESTING else _follow(node)
    if not moved and repair.state not in OVER:
        wait_on(repair)
    return moved, None


def _is_not_ours(repair: Repair) -> bool:
    """Whether there is nothing to do for the system: the node was deleted, or an operator has taken the repair over."""
    if repair.backend.deleted_at:
        _close(repair)
    elif repair.state == RepairState.TAKEN_OVER:
        wait_on(repair)
    else:
        return False
    return True


def _locked(repair_id: int) -> Repair | None:
    """Lock the limit of the group, where the next step is decided, then the repair, then the node's BMC."""
    found = Repair.objects.filter(pk=repair_id).values_list("backend__group", "backend", "state").first()
    if found is None:
        return None
    group, backend, state = found
    if state in DECIDING:
        Breaker.objects.bulk_create([Breaker(group_id=group)], ignore_conflicts=True)
        list(Breaker.objects.select_for_update().filter(pk=group))
    repair = locked_repair(repair_id)
    if repair and repair.state in DECIDING and (state not in DECIDING or repair.backend.group_id != group):
        return None  # it changed meanwhile: whoever changed it, or the next look, goes on
    if repair and state in DECIDING:
        list(Bmc.objects.select_for_update().filter(backend=backend).values_list("pk"))
        repair.backend.bmc.refresh_from_db()
    return repair


def _follow(node: Node) -> bool:
    step = running_step(node.repair)
    if step is None:  # its end is stored with the next state
        set_state(node.repair, RepairState.QUARANTINED)
        return True
    if node.repair.state == RepairState.VALIDATION:
        return follow_validation(node, step)
    return follow_remedy(node, step)


def _decide(node: Node) -> tuple[bool, Callable[[], object] | None]:
    repair, situation = node.repair, situation_of(node)
    decision = decide(situation)
    if not decision.wide:
        let_neighbours_go(node)
    match decision.kind:
        case DecisionKind.WAIT:
            set_state(repair, RepairState.QUARANTINED, waits_for=decision.waits_for, drain_until=None)
        case DecisionKind.DRAIN | DecisionKind.END_JOBS:
            _drain(node, decision)
            if decision.kind == DecisionKind.END_JOBS:
                return False, lambda: _end_jobs(node, decision)
            return False, None
        case DecisionKind.REMEDY:
            return _begin_remedy(node, decision, situation), None
        case DecisionKind.PLAN:
            _plan(node, decision)
            return True, None
        case DecisionKind.VALIDATE:
            begin_validation(node, decision.targets)
        case DecisionKind.HANDS:
            _call_hands(node, decision.hands, situation)
    return False, None


def _drain(node: Node, decision: Decision) -> None:
    """Wait until jobs have ended; with the whole node, no new ones start on any of its devices."""
    repair = node.repair
    begun = repair.drain_until if node.is_kept_out() or not decision.wide else None  # not that of a device alone
    if decision.wide:
        take_out(list(node.devices))
    until = begun or node.now + timedelta(minutes=repair.backend.group.repair_drain_min)
    set_state(repair, RepairState.DRAINING, waits_for=decision.waits_for, drain_until=until)


def _end_jobs(node: Node, decision: Decision) -> None:
    """End the jobs that are in the way of a repair, because its group says so."""
    indexes = node.indexes(decision.targets)
    chosen = Device.objects.filter(backend=node.repair.backend_id)
    chosen = chosen if decision.wide else chosen.filter(index__in=indexes)
    detail = f"{node.repair.backend.name} is repaired"
    jobs = jobs_on(list(chosen.values_list("pk", flat=True)))
    end_jobs(jobs, JobStatus.FAILED, cause=Cause.NODE_LOST, detail=detail, actor=SYSTEM)


def _begin_remedy(node: Node, decision: Decision, situation: Situation) -> bool:
    repair, verb = node.repair, decision.verb
    assert verb is not None
    if decision.wide:
        take_out(list(node.devices))
    for left_out in impossible_remedies(situation):
        if LEVELS[left_out] < LEVELS[verb]:
            note_step(repair, left_out, StepState.SKIPPED, code="NOT_POSSIBLE")
    try:
        with transaction.atomic():
            begin_step(repair, verb, node.indexes(decision.targets))
    except (ActionUnderWay, BackendInUse, BmcAskedTooOften, NoBmc):
        set_state(repair, RepairState.QUARANTINED, waits_for=WaitReason.POWER)
        return False
    try_level(decision.targets, LEVELS[verb])
    waits_for = WaitReason.POWER if verb == StepVerb.POWER_CYCLE else WaitReason.ORDER
    set_state(repair, RepairState.REMEDY, waits_for=waits_for, drain_until=None)
    return False


def _plan(node: Node, decision: Decision) -> None:
    """Store what would be done, and go on as if it had not helped."""
    assert decision.verb is not None
    note_step(node.repair, decision.verb, StepState.PLANNED, devices=node.indexes(decision.targets))
    RepairTarget.objects.filter(pk__in=decision.targets).update(level=LEVELS[decision.verb])


def _call_hands(node: Node, reason: HandsReason, situation: Situation) -> None:
    repair = node.repair
    known = set(repair.steps.filter(state=StepState.SKIPPED).values_list("verb", flat=True))
    for left_out in impossible_remedies(situation):
        if left_out not in known:
            note_step(repair, left_out, StepState.SKIPPED, code="NOT_POSSIBLE")
    call_hands(repair, reason, evidence(node), alert=not _is_only_lost(node))


def _is_only_lost(node: Node) -> bool:
    """Whether nothing is known and nothing was done but that the node is lost, of which an alert tells already."""
    lost = node.repair.backend.why == ShutdownReason.NODE_LOST
    done = node.repair.steps.exclude(state=StepState.SKIPPED)
    return lost and all(target.device_id is None for target in node.targets) and not done.exists()


def evidence(node: Node) -> Evidence:
    """Return what is wrong with the targets of a repair, and how its steps ended, for a technician."""
    about: list[Message] = []
    if node.whole():
        about.append(StoredText(_("node: %(why)s"), {"why": ShutdownReason(node.repair.backend.why).label}))
    for target in node.targets:
        if device := node.devices.get(target.device_id or 0):
            said = evidence_of(node.failing(device)) or Verdict(device.verdict).label
            about.append(StoredText("%(device)s: %(said)s", {"device": f"{device.index:02}", "said": said}))
    done = [
        StoredText(
            "%(verb)s %(state)s %(code)s" if step.code else "%(verb)s %(state)s",
            {"verb": StepVerb(step.verb).label, "state": StepState(step.state).label, "code": step.code},
        )
        for step in node.repair.steps.all()
    ]
    return Evidence(about, done)


def _look_at_rest(node: Node) -> bool:
    """Validate again what has changed by itself while it waited for a technician; else go on waiting."""
    changed = {target.pk for target in node.targets if not _is_faulty(node, target)}
    if _waits_by_operator(node.repair):
        changed &= _seen_to_change(node)
    elif not changed and any(target.added_at >= node.repair.since for target in node.targets):
        set_state(node.repair, RepairState.QUARANTINED)
        return True
    if not changed:
        return False
    RepairTarget.objects.filter(pk__in=changed).update(validated=False)
    set_state(node.repair, RepairState.QUARANTINED)
    return True


def _waits_by_operator(repair: Repair) -> bool:
    """Whether a repair waits for a technician because an operator said so."""
    return repair.hands_reason == HandsReason.BY_OPERATOR


def _seen_to_change(node: Node) -> set[int]:
    """Return the targets of which a finding has ended, or the card was exchanged, since the repair is at rest."""
    since, ended = node.repair.since, ended_since(node.devices, node.repair.since)
    new = {one.pk for one in node.devices.values() if hasattr(one, "card") and one.card.since > since}
    return {target.pk for target in node.targets if target.device_id in ended | new}


def _is_faulty(node: Node, target: RepairTarget) -> bool:
    if target.device_id is None:
        return is_down(node)
    return bool(node.failing(node.devices[target.device_id]))


def _end(node: Node) -> None:
    """End a repair of which nothing is left: operators have cleared all verdicts."""
    abandon_step(node.repair)
    let_neighbours_go(node)
    set_state(node.repair, RepairState.CLOSED)


def _close(repair: Repair) -> None:
    abandon_step(repair)
    targets = list(RepairTarget.objects.filter(repair=repair, ended_at=None))
    end_targets(targets, Outcome.DELETED)
    Device.objects.filter(backend=repair.backend_id).update(in_repair=False)
    set_state(repair, RepairState.CLOSED)
