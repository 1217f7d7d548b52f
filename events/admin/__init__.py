"""The event log in the admin, and what other admins show of it."""

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin import GrowingAdmin, Table, exact_time, link, time_ago
from core.admin.keyset import KeysetList
from core.admin.time_range import TimeRange
from core.masking import masked
from core.numbers import whole
from core.signs import NOTHING
from events.actor import Actor
from events.admin.filters import ByAction, ByActor, ByCustomer, ByProtocol, BySubject, ByToken
from events.models import Event
from tokens.queries import token_names

LATEST = 10  # events on the page of what they are about


SUBJECTS = {
    "alert": "alerts_alert",
    "backend": "backends_backend",
    "backendgroup": "backends_backendgroup",
    "budget": "billing_budget",
    "channel": "outbox_channel",
    "customfield": "inventory_customfield",
    "delivery": "outbox_delivery",
    "enrolmentkey": "backends_enrolmentkey",
    "job": "scheduler_job",
    "maintenance": "backends_maintenancewindow",
    "operator": "accounts_operator",
    "price": "billing_price",
    "sda": "sda_sda",
    "sdamodel": "sda_sdamodel",
    "sdamodelgroup": "sda_sdamodelgroup",
    "statement": "billing_statement",
    "subscription": "subscriptions_subscription",
    "tag": "inventory_tag",
    "token": "tokens_token",
    "usergroup": "tokens_tokengroup",
}


class EventList(KeysetList):
    """A page of events with the customers' names, in one query more."""

    def get_results(self, request: HttpRequest) -> None:
        """Read what the rows of the page show."""
        super().get_results(request)
        put_names(self.result_list)


def put_names(rows: Iterable[Any]) -> None:
    """Set the names of the customers that events are about, deleted ones included."""
    names = token_names({row.token_id for row in rows if row.token_id})
    for row in rows:
        row.customer = names.get(row.token_id, "")


def subject_link(subject: str) -> SafeString | str:
    """Return the subject of an event as a link to its page."""
    kind, _slash, number = subject.partition("/")
    if kind not in SUBJECTS or whole(number, 0) is None:
        return subject or NOTHING
    return link(reverse(f"admin:{SUBJECTS[kind]}_change", args=[number]), subject)


def actor_of(request: HttpRequest) -> Actor:
    """Return the operator of a request, with the address."""
    return Actor(request.user.get_username(), "admin", request.META.get("REMOTE_ADDR", ""))


def event_table(subject: str) -> Table:
    """Return the latest events about one thing."""
    rows = [
        (
            time_ago(event.event_time),
            event.action,
            event.actor,
            event.referer_protocol,
            event.referer_ip,
            request_line(event),
        )
        for event in Event.objects.filter(subject=subject)[:LATEST]
    ]
    more = reverse("admin:events_event_changelist") + f"?q={subject}"
    headers = (_("time"), _("action"), _("by"), _("protocol"), _("from address"), _("request"))
    return Table(_("Events"), headers, rows, more)


def request_line(event: Event) -> str:
    """Return what was asked for in one line; rows within it, as an issued statement has, are on the event's page."""
    request = event.request if isinstance(event.request, dict) else {"": event.request}  # a row that no service wrote
    custom = request.get("customFields")
    shown = {name: value for name, value in request.items() if not _is_nested(value)}
    shown |= {f"cf_{name}": value for name, value in custom.items()} if isinstance(custom, dict) else {}
    told = {name: _listed(value) for name, value in masked(shown).items()}
    return ", ".join(f"{name}: {value}" for name, value in told.items() if value not in ("", None))[:200]


def _listed(value: Any) -> Any:
    return "; ".join(map(str, value)) if isinstance(value, list) else value


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value))


@admin.register(Event)
class EventAdmin(GrowingAdmin):
    """The audit log."""

    list_display = ("at", "action", "shown_subject", "shown_customer", "actor", "shown_from", "shown")
    list_filter = (
        ByAction,
        ByActor,
        ByCustomer,
        BySubject,
        ByProtocol,
        ("event_time", TimeRange),
        ByToken,
    )
    live_topics = "events"
    sortable_by = ()  # pages go by the number of the last event seen
    search_fields = ("subject__exact", "action__exact")
    search_help_text = _("A thing like backend/12 or job/345, or an action like CREATE_TOKEN")
    ordering = ("-id",)
    export_columns = {
        "at": "event_time",
        "subject": "subject",
        "customer": None,
        "from": None,
        "shown": None,
        "token_id": "token_id",
        "referer_protocol": "referer_protocol",
        "referer_ip": "referer_ip",
        "request": lambda event: masked(event.request),
        "response": lambda event: masked(event.response),
    }
    fieldsets = (
        (_("What"), {"fields": (("shown_time", "action"), ("shown_subject", "shown_customer"))}),
        (_("Who"), {"fields": ("actor", ("referer_protocol", "referer_ip"))}),
        (_("Request and answer"), {"fields": ("request_json", "response_json")}),
    )
    readonly_fields = ("shown_time", "shown_subject", "shown_customer", "request_json", "response_json")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return EventList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row: Any = super().get_object(request, object_id, from_field)
        if row:
            put_names([row])
        return row

    @admin.display(description=_("time"))
    def at(self, row: Event) -> SafeString | str:
        return exact_time(row.event_time)

    @admin.display(description=_("time"))
    def shown_time(self, row: Event) -> SafeString | str:
        return exact_time(row.event_time)

    @admin.display(description=_("subject"))
    def shown_subject(self, row: Event) -> SafeString | str:
        return subject_link(row.subject)

    @admin.display(description=_("token"))
    def shown_customer(self, row: Any) -> SafeString | str:
        if not row.token_id:
            return NOTHING
        return link(reverse("admin:tokens_token_change", args=[row.token_id]), row.customer or f"#{row.token_id}")

    @admin.display(description=_("from address"))
    def shown_from(self, row: Event) -> str:
        return " · ".join(part for part in (row.referer_protocol, row.referer_ip) if part) or NOTHING

    @admin.display(description=_("request"))
    def shown(self, row: Event) -> str:
        return request_line(row)[:80]

    @admin.display(description=_("request"))
    def request_json(self, row: Event) -> SafeString | str:
        return _pretty(row.request)

    @admin.display(description=_("response"))
    def response_json(self, row: Event) -> SafeString | str:
        return _pretty(row.response)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _pretty(value: dict[str, Any]) -> SafeString | str:
    if not value:
        return NOTHING
    text = json.dumps(masked(value), ensure_ascii=False, indent=2)
    return format_html('<pre class="mc-pre">{}</pre>', text)
