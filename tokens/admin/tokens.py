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
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.admin import actor_of, event_table
from moreh_cloud.lib.admin import (
    Secret,
    ServiceAdmin,
    Table,
    Tombstones,
    badge,
    confirmed,
)
from moreh_cloud.lib.crypto import digest
from sda.services.sdas import delete_token
from tokens.admin.forms import TokenForm
from tokens.admin.shown import WEEK, TokenList, put_beside, sda_lines, secret_value, token_tables, use_lines, variables
from tokens.models import Token
from tokens.services import (
    add_token_to_group,
    create_token,
    remove_token_from_group,
    reveal_token,
    rotate_token,
    update_token,
)

VALUE_NOTE = _("Whoever has it can use what the token may use. Deliver it on a safe way.")
SECRET_LENGTH = 43  # what new_secret makes


def _leads(title: Any, page: str, *, icon: str, permission: str) -> Any:
    """Make a button that leads to a page about the token."""

    def go(_self: Any, _request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse(page)}?token={object_id}")

    looks = {"short_description": title, "allowed_permissions": [permission], "icon": icon, "attrs": {}}
    go.__dict__.update(looks, variant=ActionVariant.DEFAULT, original_function_name=page)
    return go


class ByGroup(RelatedDropdownFilter):
    """Offer the user groups that there are."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        return field.get_choices(include_blank=False, ordering=("index", "name"), limit_choices_to={"deleted_at": None})


@admin.register(Token)
class TokenAdmin(ServiceAdmin):
    comes_from = _("A token is a customer; its value is what the customer's VMs show to get devices.")
    form = TokenForm
    list_display = (
        "shown_name",
        "shown_groups",
        "shown_sdas",
        "shown_most",
        "shown_use",
        "priority",
        "shown_env",
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
    readonly_fields = ("shown_value",)
    # What the page reads beside the rows, and the value, stay on the page; the import's columns tell the rest.
    export_columns = {
        **dict.fromkeys(("name", "sdas", "most", "use", "env", "copied_value")),
        "masked": "masked",
    }

    class Media:
        js = ("console/secret.js",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        own = ("description", "groups") if obj is None else ("description", "shown_value", "groups")
        return (
            (None, {"fields": own}),
            (
                _("Limits"),
                {"fields": (("priority", "access_level"), ("max_sda_count", "max_duplicates"), "max_devices")},
            ),
            (_("Workers"), {"fields": ("env",)}),
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Token]:
        tokens: QuerySet[Token] = super().get_queryset(request)
        return tokens.prefetch_related("groups")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row: Any = super().get_object(request, object_id, from_field)
        if row:
            put_beside([row], may_reveal=self.has_operate_permission(request, row))
        return row

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        if len(search_term) == SECRET_LENGTH and " " not in search_term:
            return queryset.filter(value_digest=digest(search_term)), False
        return super().get_search_results(request, queryset, search_term)

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> tuple[Token, Secret]:
        token = create_token(actor=actor_of(request), **data)
        return token, Secret(_("Value of the token"), token.value, VALUE_NOTE)

    def update_row(self, request: HttpRequest, row: Token, changes: dict[str, Any]) -> None:
        actor = actor_of(request)
        groups = changes.pop("groups", None)
        if changes:
            update_token(row, actor=actor, **changes)
        if groups is None:
            return
        wished, present = set(groups), set(row.groups.all())
        for group in wished - present:
            add_token_to_group(row, group, actor=actor)
        for group in present - wished:
            remove_token_from_group(row, group, actor=actor)

    add_sda = _leads(_("Add SDA"), "admin:sda_sda_add", icon="add", permission="operate")
    statements = _leads(_("Statements"), "admin:billing_statement_changelist", icon="receipt_long", permission="view")
    what_it_may_use = _leads(_("What it may use"), "console:access", icon="account_tree", permission="view")

    @confirmed(
        _("Show value"), says=_("The secret value is shown, and an event says that you saw it."), icon="visibility"
    )
    def reveal(self, actor: Actor, row: Token, _data: dict[str, Any]) -> Secret:
        return Secret(_("Value of the token"), reveal_token(row, actor=actor), VALUE_NOTE)

    @confirmed(
        _("Rotate value"),
        says=_("The token gets another value. Clients with the old one are refused at once."),
        icon="cycle",
        dangerous=True,
    )
    def rotate(self, actor: Actor, row: Token, _data: dict[str, Any]) -> Secret:
        return Secret(_("New value of the token"), rotate_token(row, actor=actor).value, VALUE_NOTE)

    @confirmed(
        _("Delete"),
        says=_("The token stops working; its history and usage stay. It must not own SDAs any more."),
        icon="delete",
        dangerous=True,
    )
    def delete(self, actor: Actor, row: Token, _data: dict[str, Any]) -> None:
        delete_token(row, actor=actor)

    @admin.display(description=_("token"), ordering="description")
    def shown_name(self, row: Token) -> SafeString | str:
        marks = [self.shown_level(row)] if row.access_level != "USER" else []
        marks += [badge(_now("stopped"), "danger")] if row.stopped_at else []
        return (
            format_html("{} {}", row, format_html_join(" ", "{}", ((mark,) for mark in marks))) if marks else str(row)
        )

    @admin.display(description=_("value"))
    def shown_value(self, row: Any) -> SafeString | str:
        return secret_value(row, may_reveal=row.beside.may_reveal)

    @admin.display(description=_("value"))
    def copied_value(self, row: Any) -> SafeString | str:
        return secret_value(row, may_reveal=row.beside.may_reveal, only_copy=True)

    @admin.display(description=_("user groups"))
    def shown_groups(self, row: Token) -> str:
        return ", ".join(group.name for group in row.groups.all()) or "–"  # noqa: RUF001

    @admin.display(description=_("SDAs"))
    def shown_sdas(self, row: Any) -> SafeString | str:
        return sda_lines(row, row.beside.owned)

    @admin.display(description=_("SDAs / jobs"), ordering="max_sda_count")
    def shown_most(self, row: Token) -> str:
        return f"{row.max_sda_count} / {row.max_duplicates or '∞'}"

    @admin.display(description=_("device-hours"))
    def shown_use(self, row: Any) -> SafeString:
        return use_lines(row.beside.use[WEEK], row.beside.use[-1])

    @admin.display(description=_("env"))
    def shown_env(self, row: Token) -> SafeString | str:
        return variables(row.env)

    def shown_level(self, row: Token) -> SafeString:
        return badge(row.get_access_level_display(), "info")

    def tables(self, request: HttpRequest, row: Any) -> Iterable[Table]:
        yield from token_tables(row)
        yield budget_table(row)
        yield event_table(f"token/{row.pk}")
