"""Repairs on pages: states, what they are about, and the timeline of their steps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin import Table, badge, exact_time, link_to, time_ago
from core.signs import NOTHING
from remediation.choices import HandsReason, RepairState, StepState, WaitReason
from remediation.models import Repair, RepairStep, RepairTarget
from remediation.queries import repair_history, repairs_of_device

LATEST, ON_TOP = 5, 4  # repairs of a node or device: in a table, and above all tables
STATE_COLOURS: Mapping[str, str] = {
    RepairState.QUARANTINED: "warning",
    RepairState.DRAINING: "info",
    RepairState.REMEDY: "info",
    RepairState.VALIDATION: "info",
    RepairState.NEEDS_HANDS: "danger",
    RepairState.TAKEN_OVER: "warning",
    RepairState.RETURNED: "success",
    RepairState.CLOSED: "",
}
STEP_COLOURS: Mapping[str, str] = {
    StepState.RUNNING: "info",
    StepState.SUCCEEDED: "success",
    StepState.FAILED: "danger",
    StepState.ABANDONED: "warning",
    StepState.PLANNED: "",
    StepState.SKIPPED: "",
}


@dataclass(frozen=True, slots=True)
class ShownRepair:
    """A repair: its state, what was tried (or the evidence), why it waits, and since when."""

    link: SafeString | str
    badge: SafeString
    text: str
    reason: str
    since: SafeString | str


def state_badge(repair: Repair) -> SafeString:
    """Return the badge of a repair's state."""
    return badge(repair.get_state_display(), STATE_COLOURS[repair.state])


def reason_of(repair: Repair) -> str:
    """Return what a repair waits for, or why it needs hands; a dash for neither."""
    if repair.hands_reason:
        return str(HandsReason(repair.hands_reason).label)
    return str(WaitReason(repair.waits_for).label) if repair.waits_for else NOTHING


def about(repair: Repair) -> str:
    """Return the indexes of the devices that a repair is about, and whether the node as a whole is."""
    return ", ".join(sorted(_name(target) for target in repair.targets.all()))


def lines(evidence: str) -> SafeString | str:
    """Return evidence with each device on a line of its own."""
    return format_html_join("", "<div>{}</div>", ((line,) for line in evidence.splitlines())) or NOTHING


def trail_of(repair: Repair) -> str:
    """Return the steps of a repair with their results; "" before the first."""
    return " → ".join(f"{step.get_verb_display()} ({step.get_state_display()})" for step in repair.steps.all())


def device_repairs(backend_id: int, device_id: int) -> Table:
    """Return the latest repairs that are or were about a device of a node."""
    return _repair_table(backend_id, repairs_of_device(backend_id, device_id, LATEST))


def node_repairs(backend_id: int) -> tuple[list[ShownRepair], Table]:
    """Return the latest repairs of a node, for the top of its page and as a table."""
    repairs = repair_history(backend_id, LATEST)
    return [_shown(repair) for repair in repairs[:ON_TOP]], _repair_table(backend_id, repairs)


def _shown(repair: Repair) -> ShownRepair:
    trail = trail_of(repair)
    return ShownRepair(
        link_to(repair, f"#{repair.pk}"),
        state_badge(repair),
        f"{about(repair)}: {trail}" if trail else "; ".join(repair.evidence.splitlines()) or about(repair),
        reason_of(repair),
        time_ago(repair.ended_at or repair.since),
    )


def _repair_table(backend_id: int, repairs: Iterable[Repair]) -> Table:
    rows = [
        (
            link_to(repair, f"#{repair.pk}"),
            state_badge(repair),
            reason_of(repair),
            about(repair),
            trail_of(repair) or NOTHING,
            lines(repair.evidence),
            time_ago(repair.opened_at),
            time_ago(repair.ended_at),
        )
        for repair in repairs
    ]
    headers = (
        _("number"),
        _("state"),
        _("reason"),
        _("devices"),
        _("steps"),
        _("evidence"),
        _("opened"),
        _("ended"),
    )
    more = reverse("admin:remediation_repair_changelist") + f"?backend={backend_id}&over=all"
    return Table(_("Repairs"), headers, rows, more)


def target_table(targets: Iterable[RepairTarget]) -> Table:
    """Return what a repair is about."""
    rows = [
        (
            link_to(target.device, f"{target.device.index:02}") if target.device else _name(target),
            target.get_origin_display(),
            time_ago(target.added_at),
            target.get_outcome_display(),
            time_ago(target.ended_at),
        )
        for target in targets
    ]
    return Table(_("Devices"), (_("device"), _("reason"), _("added"), _("outcome"), _("ended")), rows)


def step_table(steps: Iterable[RepairStep]) -> Table:
    """Return the timeline of a repair."""
    rows = [
        (
            step.number,
            step.get_verb_display(),
            ", ".join(f"{index:02}" for index in step.devices) or NOTHING,
            badge(step.get_state_display(), STEP_COLOURS[step.state]),
            step.code or NOTHING,
            lines(step.evidence),
            exact_time(step.started_at),
            exact_time(step.ended_at),
        )
        for step in steps
    ]
    headers = (
        _("number"),
        _("step"),
        _("devices"),
        _("state"),
        _("code"),
        _("evidence"),
        _("started"),
        _("ended"),
    )
    return Table(_("Timeline"), headers, rows)


def _name(target: RepairTarget) -> str:
    return f"{target.device.index:02}" if target.device else str(_("node"))
