"""The delivery log in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.admin import GrowingAdmin, exact_time, link_column
from core.admin.keyset import KeysetList
from core.admin.time_range import TimeRange
from core.signs import NOTHING
from outbox.admin.filters import MessageKindFilter
from outbox.admin.formatting import latency, result_badge, size
from outbox.models import Attempt
from outbox.queries import attempts
from outbox.sending.details import shown_detail


@admin.register(Attempt)
class AttemptAdmin(GrowingAdmin):
    """Every attempt to send a message, with its answer."""

    comes_from = _("Every attempt to send a message to a channel is listed here with the answer.")
    list_display = (
        "time",
        "channel_link",
        "subject",
        "number",
        "result_column",
        "code",
        "latency",
        "shown_size",
        "shown_detail",
    )
    list_filter = ("channel", MessageKindFilter, "result", ("at", TimeRange))
    ordering = ("-id",)
    sortable_by = ()
    export_columns = {"time": "at", "latency": "latency_ms", "shown_size": "size", "shown_detail": "detail"}
    fields = (
        ("time", "channel_link"),
        ("subject", "message"),
        ("number", "result_column"),
        ("code", "latency", "shown_size"),
        "shown_detail",
    )
    readonly_fields = ("time", "channel_link", "subject", "result_column", "latency", "shown_size", "shown_detail")

    channel_link = link_column("channel", _("channel"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        return attempts()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return KeysetList

    @admin.display(description=_("time"))
    def time(self, row: Attempt) -> SafeString | str:
        return exact_time(row.at)

    @admin.display(description=pgettext_lazy("of a message", "subject"))
    def subject(self, row: Attempt) -> str:
        return row.message.subject

    @admin.display(description=_("result"))
    def result_column(self, row: Attempt) -> SafeString:
        return result_badge(row)

    @admin.display(description=_("detail"))
    def shown_detail(self, row: Attempt) -> str:
        return shown_detail(row.detail) or NOTHING

    @admin.display(description=_("latency"))
    def latency(self, row: Attempt) -> str:
        return latency(row)

    @admin.display(description=_("size"))
    def shown_size(self, row: Attempt) -> str:
        return size(row)
