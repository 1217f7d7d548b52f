"""The admin of rules."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from alerts.choices import Category
from core.admin import ServiceAdmin, Table, Tombstones, badge, confirmed
from core.admin.actions import page_action
from core.signs import NOTHING
from core.stored_text import StoredText
from events.actor import Actor
from events.admin import actor_of, event_table
from notifications.admin.forms import RuleForm
from notifications.admin.setup import setup_page
from notifications.admin.tables import rule_table
from notifications.models import Rule
from notifications.services import create_rule, delete_rule, update_rule
from notifications.services.trying import send_tests


@admin.register(Rule)
class RuleAdmin(ServiceAdmin):
    """Which alerts go to which channels."""

    comes_from = _("“Set up” makes a channel and a rule in one step. A rule says which alerts go to which channels.")
    form = RuleForm
    list_display = ("name", "shown_state", "shown_categories", "least_level", "shown_channels")
    list_filter = (Tombstones, "enabled", "least_level")
    search_fields = ("name",)
    search_help_text = _("Name")
    ordering = ("name", "id")
    autocomplete_fields = ("channels", "groups", "tags", "tokens")
    wire_names = {
        "leastLevel": "least_level",
        "groupWait": "group_wait_s",
        "repeatEvery": "repeat_min",
        "sendResolved": "send_resolved",
        "fromTime": "from_time",
        "toTime": "to_time",
        "timeZone": "time_zone",
    }
    set_up = page_action("set_up", _("Set up"), "admin:notifications_rule_setup", icon="bolt", primary=True)
    actions = ("delete",)
    actions_list: Any = ("set_up",)
    actions_detail = ("test", "delete")

    def get_urls(self) -> list[Any]:
        """Add the page that makes a channel and a rule in one step."""
        page = self.admin_site.admin_view(lambda request: setup_page(self, request))
        return [path("set-up/", page, name="notifications_rule_setup"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rule]:
        rows: QuerySet[Rule] = super().get_queryset(request).prefetch_related("channels")
        return rows

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        when = (("group_wait_s", "repeat_min"), "send_resolved", "weekdays", ("from_time", "to_time"), "time_zone")
        return (
            (None, {"fields": ("name", "enabled", "channels")}),
            (_("Which alerts"), {"fields": ("categories", "least_level", "groups", "tags", "tokens")}),
            (_("When"), {"fields": when}),
        )

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> Rule:
        return create_rule(actor=actor_of(request), **data)

    def update_row(self, request: HttpRequest, row: Rule, changes: dict[str, Any]) -> None:
        update_rule(row, actor=actor_of(request), **changes)

    @confirmed(
        _("Send a test message"),
        explanation=_("Each of its channels gets a test message now, and the answers are shown."),
        icon="outgoing_mail",
    )
    def test(self, actor: Actor, row: Rule, _data: dict[str, Any]) -> StoredText:
        answers = send_tests(row, actor=actor)
        answered = "; ".join(f"{channel.name}: {attempt.get_result_display()}" for channel, attempt in answers)
        return StoredText(_("Answers: %(answers)s"), {"answers": answered})

    @confirmed(
        _("Delete"),
        explanation=_("Nobody hears of these alerts by this rule any more. Its channels stay."),
        icon="delete",
        dangerous=True,
    )
    def delete(self, actor: Actor, row: Rule, _data: dict[str, Any]) -> None:
        delete_rule(row, actor=actor)

    def tables(self, request: HttpRequest, row: Rule) -> Iterable[Table]:
        yield rule_table(row)
        yield event_table(f"rule/{row.pk}")

    @admin.display(description=_("state"))
    def shown_state(self, row: Rule) -> SafeString:
        if row.deleted_at:
            return badge(_("deleted"))
        if not row.enabled:
            return badge(_("off"), "info")
        if not any(channel.deleted_at is None for channel in row.channels.all()):
            return badge(_("no channel"), "danger")
        return badge(_("on"), "success")

    @admin.display(description=_("categories"))
    def shown_categories(self, row: Rule) -> str:
        labels = dict(Category.choices)
        return ", ".join(str(labels.get(one, one)) for one in row.categories) or str(_("all"))

    @admin.display(description=_("channels"))
    def shown_channels(self, row: Rule) -> str:
        return ", ".join(channel.name for channel in row.channels.all() if channel.deleted_at is None) or NOTHING
