"""Maintenance windows on pages: forms, marks, and who is concerned."""

from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import UnfoldAdminTextInputWidget

from backends.admin.status_colours import MAINTENANCE_COLOURS
from backends.choices import MaintenanceState
from backends.models import Backend, MaintenanceNode
from backends.queries.maintenance import describe_next
from core.admin import ConfirmForm, Table, badge, exact_time, link, link_to
from core.admin.minutes import moment_field
from core.signs import NOTHING
from scheduler.estimates.holdings import EndBasis, Holding, held_on

LISTED = 50  # jobs and SDAs in a table
HISTORY = 20  # windows on a node's page
HEADERS = (_("job"), _("customer"), _("devices here"), _("expected end"))
BASES = {EndBasis.LIMIT: _("at the latest (time limit)"), EndBasis.HISTORY: _("about (history)")}


class MaintenanceForm(ConfirmForm):
    """When nodes are in maintenance, and why."""

    wire_names = MappingProxyType({"from": "starts_at", "to": "ends_at"})
    starts_at = moment_field(_("From"), _("Empty or past: at once."), required=False)
    ends_at = moment_field(_("To"), _("Then their devices come back by themselves."))
    reason = forms.CharField(
        label=_("Reason"), max_length=512, widget=UnfoldAdminTextInputWidget, help_text=_("What is done to the nodes.")
    )


def concerned(nodes: QuerySet[Backend]) -> Table:
    """Return who holds devices of some nodes, for a page that asks before maintenance is planned."""
    return holding_table(held_on(list(nodes.values_list("pk", flat=True))))


def holding_table(holdings: Sequence[Holding], starts_at: datetime | None = None) -> Table:
    """Return who holds devices, the last to leave first; `starts_at`: with who may still be there then."""
    shown = sorted(holdings, key=_leaves_last)[:LISTED]
    rows = [(*_holding(one), *_overlap(one, starts_at)) for one in shown]
    headers = (*HEADERS, *((_("when it begins"),) if starts_at else ()))
    more = len(holdings) - len(shown)
    note = ngettext("and %(rows)s more", "and %(rows)s more", more) % {"rows": more} if more else ""
    if not holdings:
        note = _now("Nobody holds a device of these nodes.")
    return Table(_("Jobs and reserved SDAs on these nodes"), headers, rows, note=note)


def _leaves_last(one: Holding) -> tuple[bool, float]:
    return one.ends_at is not None, -one.ends_at.timestamp() if one.ends_at else 0.0


def _holding(one: Holding) -> tuple[object, ...]:
    return (
        _link("scheduler_job", one.job, f"#{one.job}") if one.job else _sda(one.sda),
        one.owner,
        one.devices,
        _end(one),
    )


def _sda(pk: int) -> SafeString:
    return _link("sda_sda", pk, _now("Reservation of SDA #%(sda)s") % {"sda": pk})


def _end(one: Holding) -> SafeString | str:
    if one.job is None:
        return _now("none: it is reserved")
    if one.ends_at is None or one.basis is None:
        return _now("unknown")
    return format_html("{} {}", exact_time(one.ends_at), BASES[one.basis])


def _overlap(one: Holding, starts_at: datetime | None) -> tuple[object, ...]:
    if starts_at is None:
        return ()
    return (badge(_("may still run"), "warning"),) if one.overlaps(starts_at) else (badge(_("over before")),)


def _link(noun: str, pk: int, text: str) -> SafeString:
    return link(reverse(f"admin:{noun}_change", args=[pk]), text)


def state_badge(state: str) -> SafeString:
    """Return the badge of the state of a window."""
    return badge(MaintenanceState(state).label, MAINTENANCE_COLOURS[state])


def node_mark(starts_at: datetime | None, ends_at: datetime | None) -> SafeString | str:
    """Return the badge of a node with a window: that it lasts, or when the next one begins; "" without one."""
    now = timezone.now()
    text = describe_next(starts_at, ends_at, now)
    return badge(text, "warning" if starts_at and starts_at <= now else "info") if text else ""


def node_windows(backend_id: int) -> Table:
    """Return the windows of a node, the last planned first."""
    rows = MaintenanceNode.objects.filter(backend=backend_id).select_related("window").order_by("-pk")[:HISTORY]
    headers = (_("window"), _("state"), _("begins"), _("ends"), _("reason"), _("left it early"))
    return Table(_("Maintenance"), headers, [_window_of(row) for row in rows])


def _window_of(row: MaintenanceNode) -> tuple[Any, ...]:
    window = row.window
    early = row.left_at if row.left_at and (window.ended_at is None or row.left_at < window.ended_at) else None
    return (
        link_to(window, f"#{window.pk}"),
        state_badge(window.state),
        exact_time(window.starts_at),
        exact_time(window.ends_at),
        window.reason,
        exact_time(early) if early else NOTHING,
    )
