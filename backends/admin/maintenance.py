"""The admin of maintenance windows."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from backends.admin.maintenance_tables import holding_table, state_badge
from backends.choices import OPEN_WINDOWS, MaintenanceState
from backends.errors import MaintenanceIsOver
from backends.models import MaintenanceNode, MaintenanceWindow
from backends.queries.maintenance import windows
from backends.services.maintenance import change_window, end_window
from core.admin import (
    GrowingAdmin,
    Table,
    badge,
    by_number,
    confirmed,
    exact_time,
    fields_of,
    link_to,
    time_ago,
)
from core.admin.actions import page_action
from core.admin.minutes import MinuteForm, moment_field
from core.signs import NOTHING
from events.actor import Actor
from events.admin import actor_of, event_table
from scheduler.estimates.holdings import held_on

SHOWN = 200  # nodes on the page of a window
BackendFilter = by_number(_("backend"), "nodes__backend")


class WindowForm(MinuteForm):
    """When a window begins and ends, and why."""

    starts_at = moment_field(_("From"), _("Cannot be changed once it has begun."))
    ends_at = moment_field(_("To"), _("Then the devices of its nodes come back by themselves."))
    reason = forms.CharField(label=_("Reason"), max_length=512, widget=UnfoldAdminTextInputWidget)

    class Meta:
        model = MaintenanceWindow
        fields = ("starts_at", "ends_at", "reason")


@admin.register(MaintenanceWindow)
class MaintenanceWindowAdmin(GrowingAdmin):
    """Maintenance windows: changed, canceled and ended here; planned in the list of nodes."""

    comes_from = _("Choose nodes in the list of nodes, and the action “Plan maintenance”.")
    form = WindowForm
    list_display = ("id", "state_column", "from_column", "to_column", "node_count", "reason", "actor", "created")
    list_filter = ("state", BackendFilter)
    search_fields = ("reason", "actor")
    search_help_text = _("Reason, or who created it")
    ordering = ("-id",)
    wire_names = {"from": "starts_at", "to": "ends_at"}
    live_topics = "nodes"
    export_columns = {"began_at": "began_at", "ended_at": "ended_at"}
    fields = (("state_column", "actor", "created_at"), ("starts_at", "ends_at"), "reason", ("began_at", "ended_at"))
    readonly_fields = ("state_column", "actor", "created_at", "began_at", "ended_at")
    plan = page_action("plan", _("Choose nodes"), "admin:backends_backend_changelist", icon="dns")
    actions = ("end",)
    actions_list: Any = ("plan",)
    actions_detail: Any = ("end",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[MaintenanceWindow]:
        return windows()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        over = obj is not None and obj.state not in OPEN_WINDOWS
        return not over and super().has_change_permission(request, obj)

    def update_row(self, request: HttpRequest, row: MaintenanceWindow, changes: dict[str, Any]) -> None:
        change_window(row, actor=actor_of(request), **fields_of(changes, "starts_at", "ends_at", "reason"))

    @confirmed(
        _("Cancel or end"),
        explanation=_("One that has not begun is canceled. An active one ends now: what it has drained comes back."),
        icon="event_busy",
        unless=(~Q(state__in=OPEN_WINDOWS), MaintenanceIsOver.message),
    )
    def end(self, actor: Actor, row: MaintenanceWindow, _data: dict[str, Any]) -> None:
        end_window(row, actor=actor)

    @admin.display(description=_("state"), ordering="state")
    def state_column(self, row: MaintenanceWindow) -> SafeString:
        return state_badge(row.state)

    @admin.display(description=_("begins"), ordering="starts_at")
    def from_column(self, row: MaintenanceWindow) -> SafeString | str:
        return exact_time(row.starts_at)

    @admin.display(description=_("ends"), ordering="ends_at")
    def to_column(self, row: MaintenanceWindow) -> SafeString | str:
        return exact_time(row.ends_at)

    @admin.display(description=_("nodes"))
    def node_count(self, row: Any) -> int:
        return int(row.node_count or 0)

    @admin.display(description=_("created"), ordering="id")
    def created(self, row: MaintenanceWindow) -> SafeString | str:
        return time_ago(row.created_at)

    def tables(self, request: HttpRequest, row: MaintenanceWindow) -> Iterable[Table]:
        nodes = list(row.nodes.select_related("backend").order_by("backend__name", "pk")[:SHOWN])
        there = row.nodes.filter(left_at__isnull=True).values_list("backend_id", flat=True)
        if row.state in OPEN_WINDOWS:
            yield holding_table(held_on(list(there)), row.starts_at)
        yield Table(_("Nodes"), (_("node"), _("drained devices"), _("left")), [_node(row, one) for one in nodes])
        yield event_table(f"maintenance/{row.pk}")


def _node(window: MaintenanceWindow, one: MaintenanceNode) -> tuple[object, ...]:
    if window.state == MaintenanceState.SCHEDULED or one.drained is None:
        drained: object = NOTHING
    else:
        drained = one.drained.bit_count()
    left = exact_time(one.left_at) if one.left_at else badge(_("takes part"), "info")
    return link_to(one.backend), drained, left
