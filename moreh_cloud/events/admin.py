import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from moreh_cloud.events.actor import Actor
from moreh_cloud.events.models import Event
from moreh_cloud.lib.admin import ExactNumber, GrowingAdmin, Table, ago, exactly
from moreh_cloud.lib.masking import masked

LATEST = 10  # events on the page of what they are about


class ByToken(ExactNumber):
    title = _("token")
    parameter_name = "token_id"


def actor_of(request: HttpRequest) -> Actor:
    """Say who does something in the admin, and from where."""
    return Actor(request.user.get_username(), "admin", request.META.get("REMOTE_ADDR", ""))


def event_table(subject: str) -> Table:
    """Give the latest events about one thing."""
    rows = [
        (ago(event.event_time), event.action, event.actor, event.referer_protocol, event.referer_ip, asked(event))
        for event in Event.objects.filter(subject=subject)[:LATEST]
    ]
    more = reverse("admin:events_event_changelist") + f"?q={subject}"
    headers = (_("time"), _("action"), _("by"), _("protocol"), _("from address"), _("request"))
    return Table(_("Events"), headers, rows, more)


def asked(event: Event) -> str:
    """Say in one line what was asked for."""
    return ", ".join(f"{name}: {value}" for name, value in masked(event.request).items())[:200]


@admin.register(Event)
class EventAdmin(GrowingAdmin):
    list_display = ("at", "action", "subject", "token_id", "actor", "referer_protocol", "referer_ip", "shown")
    list_filter = ("referer_protocol", ("event_time", RangeDateTimeFilter), ByToken)
    search_fields = ("subject__exact", "action__exact")
    search_help_text = _("A thing like backend/12 or job/345, or an action like CREATE_TOKEN")
    ordering = ("-id",)
    export_columns = {
        "at": "event_time",
        "shown": None,
        "request": lambda event: masked(event.request),
        "response": lambda event: masked(event.response),
    }
    fields = ("event_time", "action", "subject", "token_id", "actor", "referer_protocol", "referer_ip", "asked", "said")
    readonly_fields = ("asked", "said")

    @admin.display(description=_("time"), ordering="id")
    def at(self, row: Event) -> SafeString | str:
        return exactly(row.event_time)

    @admin.display(description=_("request"))
    def shown(self, row: Event) -> str:
        return asked(row)[:80]

    @admin.display(description=_("request"))
    def asked(self, row: Event) -> SafeString:
        return _pretty(row.request)

    @admin.display(description=_("response"))
    def said(self, row: Event) -> SafeString:
        return _pretty(row.response)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _pretty(value: dict[str, Any]) -> SafeString:
    text = json.dumps(masked(value), ensure_ascii=False, indent=2)
    return format_html('<pre class="whitespace-pre-wrap">{}</pre>', text)
