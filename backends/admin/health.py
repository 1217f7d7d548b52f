"""The health of devices on pages: verdicts, findings with their evidence, cards."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from alerts.admin import LEVEL_COLOURS
from backends.choices import Verdict
from backends.health.findings import kind_of
from backends.models import Device, Finding, FormerCard
from backends.services.verdicts import LONGEST_REASON
from core.admin import ConfirmForm, Table, badge, link_to, time_ago
from core.signs import NOTHING

VERDICT_COLOURS: Mapping[str, str] = {
    Verdict.HEALTHY: "success",
    Verdict.SUSPECT: "warning",
    Verdict.FAILED: "danger",
}
IDENTITY = ("uuid", "serial", "pci_address", "driver_version", "firmware_version")


class ClearVerdictForm(ConfirmForm):
    """Why a device is healthy again."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("What was done about it; the event keeps it."),
    )


def verdict_badge(device: Device) -> SafeString:
    """Return the badge of the verdict on a device."""
    return badge(device.get_verdict_display(), VERDICT_COLOURS[device.verdict])


def finding_table(findings: Iterable[Finding], *, with_device: bool) -> Table:
    """Return findings with what they mean, their evidence and their times; `with_device`: of several devices."""
    headers = (
        _("severity"),
        _("finding"),
        _("meaning"),
        _("evidence"),
        _("count"),
        _("first seen"),
        _("last seen"),
        _("state"),
    )
    rows = [(*((_device_link(one),) if with_device else ()), *_finding(one)) for one in findings]
    return Table(_("Findings"), (*((_("device"),) if with_device else ()), *headers), rows)


def _device_link(finding: Finding) -> SafeString | str:
    return link_to(finding.device, f"{finding.device.index:02}")


def _finding(finding: Finding) -> tuple[Any, ...]:
    kind = kind_of(finding.code, finding.number)
    return (
        badge(kind.level.label, LEVEL_COLOURS[kind.level]),
        str(finding),
        kind.meaning,
        finding.text or NOTHING,
        finding.count or NOTHING,
        time_ago(finding.first_at),
        time_ago(finding.last_at),
        _state(finding),
    )


def _state(finding: Finding) -> SafeString:
    if finding.ended_at:
        return badge(_("ended"))
    return badge(_("cleared"), "info") if finding.cleared_at else badge(_("holds"), "warning")


def card_table(devices: Iterable[Device]) -> Table:
    """Return what identifies the cards of a node; those of which nothing is known are left out."""
    rows = [
        (link_to(device, f"{device.index:02}"), *(getattr(device.card, name) or NOTHING for name in IDENTITY))
        for device in devices
        if hasattr(device, "card")
    ]
    headers = (_("index"), _("UUID"), _("serial number"), _("PCI address"), _("driver"), _("firmware"))
    return Table(_("Cards"), headers, rows)


def former_card_table(former: Iterable[FormerCard]) -> Table:
    """Return the cards that were in a device's place before."""
    rows = [
        (
            card.serial or NOTHING,
            card.uuid or NOTHING,
            card.model or NOTHING,
            badge(Verdict(card.verdict).label, VERDICT_COLOURS[card.verdict]) if card.verdict else NOTHING,
            time_ago(card.since),
            time_ago(card.until),
        )
        for card in former
    ]
    headers = (_("serial number"), _("UUID"), _("model"), _("health"), _("since"), _("until"))
    return Table(_("Former cards"), headers, rows)
