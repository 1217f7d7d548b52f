"""The admin of subscriptions: what portals are told of, and where."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminPasswordToggleWidget

from core.admin import RowForm, Secret, ServiceAdmin, Table, Tombstones, confirmed, link_to
from events.actor import Actor
from events.admin import actor_of, event_table
from outbox.admin.formatting import channel_badge
from outbox.queries import with_last_attempt
from subscriptions.choices import EventKind
from subscriptions.models import Subscription
from subscriptions.services import create_subscription, delete_subscription, update_subscription

NOTE = _("The receiver verifies the signatures with it. It is not shown again.")


class SubscriptionForm(RowForm):
    """A subscription; its address can be set, but is never shown."""

    kinds = forms.MultipleChoiceField(
        label=_("Events about"), choices=EventKind.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    new_url = forms.CharField(
        label=_("Address"),
        required=False,
        max_length=2048,
        widget=UnfoldAdminPasswordToggleWidget(attrs={"autocomplete": "off"}, render_value=True),
        help_text=_("Where events are posted to. Stored encrypted and never shown."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None and "new_url" in self.fields:  # read-only pages have no fields
            self.fields["new_url"].help_text = _("Stored encrypted and never shown. Empty: unchanged.")
        elif "new_url" in self.fields:
            self.fields["new_url"].required = True

    class Meta:
        model = Subscription
        fields = ("name", "kinds")


@admin.register(Subscription)
class SubscriptionAdmin(ServiceAdmin):
    """Portals that get events."""

    comes_from = _("A portal that subscribes gets events by signed webhook.")
    form = SubscriptionForm
    list_display = ("name", "shown_kinds", "channel_state", "created_at")
    list_filter = (Tombstones,)
    search_fields = ("name",)
    search_help_text = _("Name")
    ordering = ("name", "id")
    wire_names = {"url": "new_url"}
    actions = ("delete",)
    actions_detail = ("delete",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        return with_last_attempt(super().get_queryset(request).select_related("channel"), "channel")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        state = [(_("State"), {"fields": (("channel_state", "created_at"),)})] if obj else []
        return ((None, {"fields": ("name", "kinds", "new_url")}), *state)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("channel_state", "created_at")

    def row_data(self, data: dict[str, Any]) -> dict[str, Any]:
        return {name.removeprefix("new_"): value for name, value in data.items()}

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> Any:
        row, secret = create_subscription(actor=actor_of(request), **data)
        return row, Secret(_("Secret"), secret, NOTE)

    def update_row(self, request: HttpRequest, row: Subscription, changes: dict[str, Any]) -> None:
        update_subscription(row, actor=actor_of(request), **changes)

    @confirmed(
        _("Delete"),
        explanation=_("Its channel is deleted as well, and what waits for it is canceled."),
        icon="delete",
        dangerous=True,
    )
    def delete(self, actor: Actor, row: Subscription, _data: dict[str, Any]) -> None:
        delete_subscription(row, actor=actor)

    def tables(self, request: HttpRequest, row: Subscription) -> Iterable[Table]:
        yield event_table(f"subscription/{row.pk}")

    @admin.display(description=_("events about"))
    def shown_kinds(self, row: Subscription) -> str:
        return ", ".join(str(EventKind(kind).label) for kind in row.kinds if kind in EventKind)

    @admin.display(description=_("channel"))
    def channel_state(self, row: Any) -> SafeString:
        return format_html("{} {}", link_to(row.channel), channel_badge(row.channel, row.last_result))
