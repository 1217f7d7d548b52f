"""The admin of tokens."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.enums import ActionVariant

from billing.admin.budgets import budget_table
from core.admin import (
    Secret,
    ServiceAdmin,
    Table,
    Tombstones,
    badge,
    confirmed,
)
from core.crypto import digest
from events.actor import Actor
from events.admin import actor_of, event_table
from inventory.admin.nouns import WithCustomFields, custom_table
from sda.services.sdas import delete_token
from tokens.admin.columns import (
    WEEK,
    TokenList,
    load_figures,
    sda_list,
    secret_value,
    token_tables,
    usage_list,
    variable_count,
)
from tokens.admin.forms import TokenForm
from tokens.models import Token, TokenFieldValue
from tokens.services import (
    add_token_to_group,
    create_token,
    remove_token_from_group,
    reveal_token,
    rotate_token,
    update_token,
)

VALUE_NOTE = _("Whoever has it can use what the token may use. Send it over a secure channel.")
SECRET_LENGTH = 43  # what new_secret makes


def _link_action(title: Any, page: str, *, icon: str, permission: str) -> Any:
    """Return an action of the token's page that leads to a page about the token."""

    def go(_self: Any, _request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse(page)}?token={object_id}")

    attributes = {"short_description": title, "allowed_permissions": [permission], "icon": icon, "attrs": {}}
    go.__dict__.update(attributes, variant=ActionVariant.DEFAULT, original_function_name=page)
    return go


class ByGroup(RelatedDropdownFilter):
    """A filter that offers the user groups that are not deleted."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        return field.get_choices(include_blank=False, ordering=("index", "name"), limit_choices_to={"deleted_at": None})


@admin.register(Token)
class TokenAdmin(WithCustomFields, ServiceAdmin):  # type: ignore[misc]
    """Tokens: their values, limits and user groups."""

    field_values = TokenFieldValue
    comes_from = _("A token is a customer; its value is what the customer's VMs show to get devices.")
    form = TokenForm
    list_display = (
        "name_column",
        "groups_column",
        "sdas_column",
        "most_column",
        "use_column",
        "priority",
        "env_column",
        "copied_value",
    )
    list_filter = (Tombstones, ("groups", ByGroup), "access_level")
    live_topics = "customers jobs"
    page_of_rows = TokenList
    search_fields = ("description",)
    search_help_text = _("Customer's name, or the whole value of a token")
    ordering = ("-id",)
    autocomplete_fields = ("groups",)
    wire_names = {"maxDuplicates": "max_duplicates", "maxSdaCount": "max_sda_count"}
    actions = ("delete",)
    actions_detail = ("add_sda", "what_it_may_use", "statements", "reveal", "rotate", "delete")
    readonly_fields = ("value_column", "env_column")
    # Figures of other apps and the value are not exported; the columns of the import say the rest.
    export_columns = {
        **dict.fromkeys(("name", "sdas", "most", "use", "env", "copied_value")),
        "masked": "masked",
    }

    class Media:
        js = ("console/secret.js",)

    def own_fieldsets(self, request: HttpRequest, obj: Any) -> Any:
        own = ("description", "groups") if obj is None else ("description", "value_column", "groups")
        return (
            (None, {"fields": own}),
            (
                _("Limits"),
                {"fields": (("priority", "access_level"), ("max_sda_count", "max_duplicates"), "max_devices")},
            ),
            (_("Workers"), {"fields": ("env" if self.has_change_permission(request, obj) else "env_column",)}),
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Token]:
        tokens: QuerySet[Token] = super().get_queryset(request)
        return tokens.prefetch_related("groups")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row: Any = super().get_object(request, object_id, from_field)
        if row:
            load_figures([row], may_reveal=self.has_operate_permission(request, row))
        return row

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        if len(search_term) == SECRET_LENGTH and " " not in search_term:
            return queryset.filter(value_digest=digest(search_term)), False
        return super().get_search_results(request, queryset, search_term)

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> tuple[Token, Secret]:
        token = create_token(actor=actor_of(request), **{"custom_fields": {}, **data})
        return token, Secret(_("Value of the token"), token.value, VALUE_NOTE)

    def update_row(self, request: HttpRequest, row: Token, changes: dict[str, Any]) -> None:
        actor = actor_of(request)
        groups = changes.pop("groups", None)
        if changes:
            update_token(row, actor=actor, **changes)
        if groups is None:
            return
        wanted, present = set(groups), set(row.groups.all())
        for group in wanted - present:
            add_token_to_group(row, group, actor=actor)
        for group in present - wanted:
            remove_token_from_group(row, group, actor=actor)

    add_sda = _link_action(_("Add SDA"), "admin:sda_sda_add", icon="add", permission="operate")
    statements = _link_action(
        _("Statements"), "admin:billing_statement_changelist", icon="receipt_long", permission="view"
    )
    what_it_may_use = _link_action(_("What it may use"), "console:access", icon="account_tree", permission="view")

    @confirmed(
        _("Show value"),
        explanation=_("The secret value is shown, and an event records that you saw it."),
        icon="visibility",
    )
    def reveal(self, actor: Actor, row: Token, _data: dict[str, Any]) -> Secret:
        return Secret(_("Value of the token"), reveal_token(row, actor=actor), VALUE_NOTE)

    @confirmed(
        _("Rotate value"),
        explanation=_("The token gets another value. Clients with the old one are refused at once."),
        icon="cycle",
        dangerous=True,
    )
    def rotate(self, actor: Actor, row: Token, _data: dict[str, Any]) -> Secret:
        return Secret(_("New value of the token"), rotate_token(row, actor=actor).value, VALUE_NOTE)

    @confirmed(
        _("Delete"),
        explanation=_("The token stops working; its history and usage stay. It must not own SDAs any more."),
        icon="delete",
        dangerous=True,
    )
    def delete(self, actor: Actor, row: Token, _data: dict[str, Any]) -> None:
        delete_token(row, actor=actor)

    @admin.display(description=_("token"), ordering="description")
    def name_column(self, row: Token) -> SafeString | str:
        marks = [self._level_badge(row)] if row.access_level != "USER" else []
        marks += [badge(_now("stopped"), "danger")] if row.stopped_at else []
        return (
            format_html("{} {}", row, format_html_join(" ", "{}", ((mark,) for mark in marks))) if marks else str(row)
        )

    @admin.display(description=_("value"))
    def value_column(self, row: Any) -> SafeString | str:
        return secret_value(row, may_reveal=row.figures.may_reveal)

    @admin.display(description=_("value"))
    def copied_value(self, row: Any) -> SafeString | str:
        return secret_value(row, may_reveal=row.figures.may_reveal, only_copy=True)

    @admin.display(description=_("user groups"))
    def groups_column(self, row: Token) -> str:
        return ", ".join(group.name for group in row.groups.all()) or "–"  # noqa: RUF001

    @admin.display(description=_("SDAs"))
    def sdas_column(self, row: Any) -> SafeString | str:
        return sda_list(row, row.figures.owned)

    @admin.display(description=_("SDAs / jobs"), ordering="max_sda_count")
    def most_column(self, row: Token) -> str:
        return f"{row.max_sda_count} / {row.max_duplicates or '∞'}"

    @admin.display(description=_("device-hours"))
    def use_column(self, row: Any) -> SafeString:
        return usage_list(row.figures.device_ms[WEEK], row.figures.device_ms[-1])

    @admin.display(description=_("env"))
    def env_column(self, row: Token) -> SafeString | str:
        return variable_count(row.env)

    def _level_badge(self, row: Token) -> SafeString:
        return badge(row.get_access_level_display(), "info")

    def tables(self, request: HttpRequest, row: Any) -> Iterable[Table]:
        yield custom_table(self.fields_here(request), row)
        yield from token_tables(row)
        yield budget_table(row.pk)
        yield event_table(f"token/{row.pk}")
