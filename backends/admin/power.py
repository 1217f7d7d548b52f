"""The admin of power actions."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backends.admin.status_colours import ACTION_COLOURS
from backends.choices import CANCELABLE
from backends.errors import NotCancelable
from backends.models import PowerAction
from backends.queries.waiting import TEXTS, waiting_of
from backends.services.power_waiting import cancel_power
from core.admin import GrowingAdmin, Table, badge, by_number, confirmed, link_column, time_ago
from core.signs import NOTHING
from events.actor import Actor

BackendIdFilter = by_number(_("backend"), "backend")


def waiting_text(action: PowerAction) -> str:
    """Return why an action waits, in the reader's language; a dash if it does not."""
    waiting = waiting_of(action, timezone.now())
    if waiting is None:
        return NOTHING
    until = waiting.until and timezone.localtime(waiting.until).strftime("%Y-%m-%d %H:%M:%S")
    return str(TEXTS[waiting.code]) % {"until": until}


@admin.register(PowerAction)
class PowerActionAdmin(GrowingAdmin):
    """Power actions and their attempts."""

    comes_from = _("No power action has been requested yet.")
    list_display = (
        "id",
        "backend_link",
        "command",
        "target",
        "state_column",
        "waiting",
        "attempt",
        "message",
        "actor",
        "asked",
        "ended",
    )
    list_filter = ("state", "command", BackendIdFilter)
    list_select_related = ("backend",)
    search_fields = ("backend__name", "actor")
    search_help_text = _("Name of the backend, or who asked")
    ordering = ("-id",)
    fields = (
        ("backend_link", "command", "target"),
        ("state_column", "waiting", "code"),
        "message",
        ("actor", "attempt"),
        ("requested_at", "sent_at", "ended_at", "lease_until"),
        ("drain_until", "drain_force", "power_on_at"),
    )
    readonly_fields = ("backend_link", "state_column", "waiting")
    export_columns = {"asked": "requested_at"}
    actions = ("cancel",)
    actions_detail: Any = ("cancel",)

    backend_link = link_column("backend", _("backend"), ordering="backend__name")

    @admin.display(description=_("state"), ordering="state")
    def state_column(self, row: PowerAction) -> SafeString:
        return badge(row.get_state_display(), ACTION_COLOURS[row.state])

    @admin.display(description=_("waits for"))
    def waiting(self, row: PowerAction) -> str:
        return waiting_text(row)

    @confirmed(
        _("Cancel"),
        explanation=_("It is not carried out, unless it has begun already. A drain that it waits for goes on."),
        icon="cancel",
        unless=(~Q(state__in=CANCELABLE), NotCancelable.message),
    )
    def cancel(self, actor: Actor, row: PowerAction, _data: dict[str, Any]) -> None:
        cancel_power(row, actor=actor)

    @admin.display(description=_("requested"), ordering="id")
    def asked(self, row: PowerAction) -> SafeString | str:
        return time_ago(row.requested_at)

    @admin.display(description=_("ended"), ordering="ended_at")
    def ended(self, row: PowerAction) -> SafeString | str:
        return time_ago(row.ended_at)

    def tables(self, request: HttpRequest, row: PowerAction) -> Iterable[Table]:
        rows = [
            (attempt.number, time_ago(attempt.started_at), time_ago(attempt.ended_at), attempt.code, attempt.message)
            for attempt in row.attempts.all()
        ]
        yield Table(_("Attempts"), (_("attempt"), _("started"), _("ended"), _("code"), _("message")), rows)
