"""The state of a repair: every change checks the table of transitions and is an event."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.utils import translation

from alerts.choices import Category, Level
from alerts.codes import Code
from alerts.services import clear_alert, raise_alert
from alerts.subjects import node
from core.clock import db_now
from core.errors import Message
from core.lease import LeaseLost
from core.stored_text import SOURCE
from events.actor import SYSTEM, Actor
from events.services import NewEvent, record_all
from remediation.choices import OVER, REPAIR_TRANSITIONS, RESTING, HandsReason, RepairState, WaitReason
from remediation.models import Repair

SOON = 5
PAUSES = {  # seconds to the next look at what waits; the ends of most orders wake it earlier
    WaitReason.BREAKER: 15,
    WaitReason.OPERATOR: 30,
    WaitReason.AGENT: 15,
    WaitReason.JOBS: 15,
}
LONGEST_EVIDENCE = 4000


def locked_repair(repair_id: int) -> Repair | None:
    """Lock a repair and return it with its node; None if it is over."""
    rows = Repair.objects.filter(pk=repair_id).exclude(state__in=OVER)
    rows = rows.select_related("backend__group", "backend__agent", "backend__bmc")
    found: Repair | None = rows.select_for_update(of=("self",)).first()
    return found


def set_state(
    repair: Repair,
    state: RepairState,
    *,
    actor: Actor = SYSTEM,
    waits_for: WaitReason = WaitReason.NONE,
    hands: HandsReason = HandsReason.NONE,
    **changes: Any,
) -> None:
    """Change the state of a locked repair and record the event; one that stays as it is only waits on.

    Raises LeaseLost if the table does not allow it.
    """
    now = db_now()
    moved = repair.state != state
    values: dict[str, Any] = {"waits_for": waits_for, "hands_reason": hands, **changes}
    values["next_at"] = None if state in (*OVER, *RESTING) else now + _pause(waits_for)
    if moved:
        values |= {"state": state, "since": now, "ended_at": now if state in OVER else None}
    told = moved or (repair.waits_for, repair.hands_reason) != (waits_for, hands)
    rows = Repair.objects.filter(pk=repair.pk, state__in=REPAIR_TRANSITIONS.into(state))
    if not rows.update(**values):
        raise LeaseLost(lease=f"repair/{repair.pk}")
    left = RepairState(repair.state)
    for name, value in values.items():
        setattr(repair, name, value)
    if told:
        details = {"waits_for": waits_for} if waits_for else {"reason": hands} if hands else {}
        record_about(repair, "SET_REPAIR_STATE", actor=actor, state=state, **details)
    if moved and left == RepairState.NEEDS_HANDS:
        clear_alert(Category.REPAIR_EXHAUSTED, node(repair.backend_id))


def wait_on(repair: Repair) -> None:
    """Look at a locked repair again after a while; at one at rest only when something happens."""
    at_rest = repair.state in RESTING
    next_at = None if at_rest else db_now() + _pause(WaitReason(repair.waits_for))
    Repair.objects.filter(pk=repair.pk).update(next_at=next_at)


def _pause(waits_for: WaitReason) -> timedelta:
    return timedelta(seconds=PAUSES.get(waits_for, SOON))


class Evidence(NamedTuple):
    """What is wrong with the targets of a repair, and how its steps ended; `str` is what the repair stores."""

    about: Sequence[Message]
    steps: Sequence[Message]

    def __str__(self) -> str:
        with translation.override(SOURCE):
            return "\n".join([*map(str, self.about), *([", ".join(map(str, self.steps))] if self.steps else [])])


def call_hands(
    repair: Repair, reason: HandsReason, evidence: Evidence, *, alert: bool = True, actor: Actor = SYSTEM
) -> None:
    """Let a repair wait for a technician, with an alert that carries the evidence unless another one says the same."""
    written = str(evidence)[:LONGEST_EVIDENCE]
    set_state(repair, RepairState.NEEDS_HANDS, actor=actor, hands=reason, evidence=written, operator="")
    if not alert:
        return
    raise_alert(
        Code.REPAIR_EXHAUSTED,
        node(repair.backend_id),
        level=Level.CRITICAL,
        node=repair.backend.name,
        reason=reason,
        evidence=[*evidence.about, *evidence.steps],
    )


def record_about(repair: Repair, action: str, *, actor: Actor = SYSTEM, **details: object) -> None:
    """Record an event about a repair, on the page of its node."""
    event = NewEvent(action, subject_of(repair), None, {"repair": repair.pk, **details})
    record_all([event], actor=actor)


def subject_of(repair: Repair) -> str:
    """Return what events and alerts about a repair are about: its node."""
    return f"backend/{repair.backend_id}"
