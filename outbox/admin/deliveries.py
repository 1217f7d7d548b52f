"""The admin of deliveries."""

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.admin import GrowingAdmin, Table, confirmed, exact_time, link_column, link_to, time_ago
from core.admin.keyset import KeysetList
from core.admin.time_range import TimeRange
from core.masking import masked
from core.signs import NOTHING
from events.actor import Actor
from events.admin import event_table
from outbox.admin.filters import KindFilter
from outbox.admin.formatting import latency, result_badge, size, state_badge
from outbox.choices import UNDER_WAY, DeliveryState
from outbox.errors import NotEnded
from outbox.models import Attempt, Delivery
from outbox.queries import attempts, deliveries, delivery_ahead
from outbox.rendering import label_of
from outbox.sending.details import shown_detail
from outbox.services.again import send_again
from outbox.status import next_attempt

ATTEMPT_HEADERS = (_("attempt"), _("time"), _("result"), _("answer code"), _("latency"), _("size"), _("detail"))


@admin.register(Delivery)
class DeliveryAdmin(GrowingAdmin):
    """What channels got and are to get."""

    comes_from = _("Messages to channels are stored here in the moment in which what they tell of happens.")
    list_display = (
        "created",
        "channel_link",
        "kind_column",
        "ordering_key",
        "subject",
        "state_column",
        "tries",
        "ended",
    )
    list_filter = ("channel", "state", KindFilter, ("created_at", TimeRange))
    search_fields = ("ordering_key__exact", "id__exact")
    search_help_text = _("A thing like alert/12, or the number of a delivery")
    ordering = ("-id",)
    sortable_by = ()
    export_columns = {"created": "created_at", "ended": "ended_at", "kind_column": "kind"}
    fields = (
        ("channel_link", "state_column"),
        ("kind_column", "subject"),
        ("ordering_key", "group_key"),
        ("created_at", "not_before"),
        ("ended_at", "next_attempt"),
        "tries",
        "message_id_shown",
        "payload_json",
    )
    readonly_fields = (
        *("channel_link", "kind_column", "state_column", "subject", "message_id_shown"),
        *("tries", "next_attempt", "payload_json"),
    )
    actions: Any = ("again",)
    actions_detail: Any = ("again",)

    channel_link = link_column("channel", _("channel"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return deliveries().annotate(now=Now())

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return KeysetList

    @confirmed(
        _("Send again"),
        explanation=_("The same message, with the same id: a receiver that has it already can ignore it."),
        icon="forward_to_inbox",
        unless=(Q(state__in=UNDER_WAY), NotEnded.message),
    )
    def again(self, actor: Actor, row: Delivery, _data: dict[str, Any]) -> None:
        send_again(row, actor=actor)

    def tables(self, request: HttpRequest, row: Delivery) -> Iterable[Table]:
        found = attempts().filter(message=row.message_id)[:100] if row.message_id else ()
        yield Table(_("Attempts"), ATTEMPT_HEADERS, [_attempt_row(one) for one in found])
        yield event_table(f"delivery/{row.pk}")

    @admin.display(description=_("kind"))
    def kind_column(self, row: Delivery) -> str:
        return str(label_of(row.kind))

    @admin.display(description=_("created"))
    def created(self, row: Delivery) -> SafeString | str:
        return time_ago(row.created_at)

    @admin.display(description=_("end"))
    def ended(self, row: Delivery) -> SafeString | str:
        return time_ago(row.ended_at)

    @admin.display(description=_("state"))
    def state_column(self, row: Any) -> SafeString:
        return state_badge(row, row.now)

    @admin.display(description=pgettext_lazy("of a message", "subject"))
    def subject(self, row: Delivery) -> str:
        return row.message.subject if row.message else NOTHING

    @admin.display(description=_("attempts"))
    def tries(self, row: Delivery) -> int:
        return row.message.tries if row.message else 0

    @admin.display(description=_("id of the message"))
    def message_id_shown(self, row: Delivery) -> str:
        return str(row.message) if row.message else NOTHING

    @admin.display(description=_("next attempt"))
    def next_attempt(self, row: Delivery) -> SafeString | str:
        if row.state == DeliveryState.PENDING and (ahead := delivery_ahead(row)):
            return link_to(ahead, _("after delivery %(number)s") % {"number": ahead})
        if row.state in UNDER_WAY and not row.channel.enabled:
            return str(_("when its channel is switched on"))
        return exact_time(next_attempt(row))

    @admin.display(description=_("payload"))
    def payload_json(self, row: Delivery) -> SafeString:
        text = json.dumps(masked(row.payload), ensure_ascii=False, indent=2)
        return format_html('<pre class="mc-pre">{}</pre>', text)


def _attempt_row(one: Attempt) -> tuple[object, ...]:
    return (
        one.number,
        exact_time(one.at),
        result_badge(one),
        one.code or NOTHING,
        latency(one),
        size(one),
        shown_detail(one.detail) or NOTHING,
    )
