from collections.abc import Iterable

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backends.admin.tones import ACTION
from backends.models import PowerAction
from moreh_cloud.lib.admin import ExactNumber, GrowingAdmin, Table, ago, badge, link_to


class ByBackend(ExactNumber):
    title = _("backend")
    parameter_name = "backend"


@admin.register(PowerAction)
class PowerActionAdmin(GrowingAdmin):
    comes_from = _("Nobody asked a node for anything about its power yet.")
    list_display = (
        "id",
        "backend_link",
        "command",
        "target",
        "shown_state",
        "attempt",
        "message",
        "actor",
        "asked",
        "ended",
    )
    list_filter = ("state", "command", ByBackend)
    list_select_related = ("backend",)
    search_fields = ("backend__name", "actor")
    search_help_text = _("Name of the backend, or who asked")
    ordering = ("-id",)
    fields = (
        ("backend_link", "command", "target"),
        ("shown_state", "code"),
        "message",
        ("actor", "attempt"),
        ("requested_at", "sent_at", "ended_at", "lease_until"),
    )
    readonly_fields = ("backend_link", "shown_state")

    @admin.display(description=_("backend"), ordering="backend__name")
    def backend_link(self, row: PowerAction) -> SafeString | str:
        return link_to(row.backend)

    @admin.display(description=_("state"), ordering="state")
    def shown_state(self, row: PowerAction) -> SafeString:
        return badge(row.get_state_display(), ACTION[row.state])

    @admin.display(description=_("requested"), ordering="id")
    def asked(self, row: PowerAction) -> SafeString | str:
        return ago(row.requested_at)

    @admin.display(description=_("ended"), ordering="ended_at")
    def ended(self, row: PowerAction) -> SafeString | str:
        return ago(row.ended_at)

    def tables(self, request: HttpRequest, row: PowerAction) -> Iterable[Table]:
        rows = [
            (attempt.number, ago(attempt.started_at), ago(attempt.ended_at), attempt.code, attempt.message)
            for attempt in row.attempts.all()
        ]
        yield Table(_("Attempts"), (_("attempt"), _("started"), _("ended"), _("code"), _("message")), rows)
