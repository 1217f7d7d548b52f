from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.views import ChangeList

from billing.models import Budget
from billing.queries.budgets import Standing, this_month, use_of
from billing.services.budgets import create_budget, delete_budget, update_budget
from core.admin import ServiceAdmin, Table, badge, confirmed, link_to
from events.actor import Actor
from events.admin import actor_of, event_table
from tokens.choices import BudgetKind

UNITS = {BudgetKind.DEVICE_HOURS: _("device-hours")}


class BudgetList(ChangeList):
    """A page of budgets with what is used of them, in as many queries as one would cost."""

    def get_results(self, request: HttpRequest) -> None:
        """Read what the rows of the page show."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        put_standing(self.result_list)


def put_standing(rows: Sequence[Any]) -> None:
    """Hang on budgets how they stand this month."""
    use = use_of(rows, this_month())
    for row in rows:
        row.standing = use.standing(row)


@admin.register(Budget)
class BudgetAdmin(ServiceAdmin):
    """The list and the pages of budgets."""

    comes_from = _("A budget says how much a token may use in a month, in money or in device-hours.")
    list_display = ("shown_token", "kind", "shown_amount", "shown_use", "warn_percent", "stops", "shown_state")
    list_filter = ("kind", "stops")
    linked = ("token__id__exact",)
    page_of_rows = BudgetList
    list_select_related = ("token",)
    search_fields = ("token__description",)
    search_help_text = _("Customer's name")
    autocomplete_fields = ("token",)
    readonly_fields = ("shown_use", "shown_state")
    actions = ("delete",)
    actions_detail = ("delete",)
    wire_names = {"id": "token"}
    # What is used is read for a page, not for every row of a file.
    export_columns = {
        "token": "token__description",
        "token_id": "token_id",
        "amount": "amount",
        **dict.fromkeys(("use", "state")),
        "warned_in": "warned_in",
        "spent_in": "spent_in",
    }

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        own = ("token", "kind", "amount", "warn_percent", "stops")
        return own if obj is None else (*own, "shown_use", "shown_state")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj is None else ("token", "kind", *self.readonly_fields)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Budget]:
        budgets: QuerySet[Budget] = super().get_queryset(request)
        return budgets.filter(token__deleted_at__isnull=True)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row: Any = super().get_object(request, object_id, from_field)
        if row:
            put_standing([row])
        return row

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> Budget:
        return create_budget(actor=actor_of(request), **data)

    def update_row(self, request: HttpRequest, row: Budget, changes: dict[str, Any]) -> None:
        update_budget(row, actor=actor_of(request), **changes)

    @confirmed(
        _("Delete"),
        explanation=_(
            "The token may use as much as it likes. If this budget has stopped it, it starts jobs again at once."
        ),
        icon="delete",
        dangerous=True,
    )
    def delete(self, actor: Actor, row: Budget, _data: dict[str, Any]) -> None:
        delete_budget(row, actor=actor)

    def name_of(self, row: Budget) -> str:
        return f"{row.token}, {row.get_kind_display()}"

    @admin.display(description=_("token"), ordering="token__description")
    def shown_token(self, row: Budget) -> str:
        return str(row.token)

    @admin.display(description=_("amount of a month"), ordering="amount")
    def shown_amount(self, row: Any) -> SafeString:
        return amount_of(row.standing)

    @admin.display(description=_("used this month"))
    def shown_use(self, row: Any) -> SafeString:
        return bar(row.standing)

    @admin.display(description=_("state"))
    def shown_state(self, row: Any) -> SafeString:
        return state(row.standing)

    def tables(self, request: HttpRequest, row: Budget) -> Iterable[Table]:
        yield event_table(f"budget/{row.pk}")


def amount_of(one: Standing) -> SafeString:
    """Return how much there is for a month."""
    figures = one.figures()
    return format_html(
        '<span class="whitespace-nowrap">{} <small>{}</small></span>', grouped(figures["limit"]), unit(one, figures)
    )


def bar(one: Standing) -> SafeString:
    """Return what is used, as figures and as a bar."""
    figures, percent = one.figures(), one.percent
    return format_html(
        '<span class="whitespace-nowrap">{} <small>{} · {} %</small></span>'
        '<span class="mc-meter" aria-hidden="true"><i class="{}" style="width: {}%"></i></span>',
        grouped(figures["spent"]),
        unit(one, figures),
        f"{int(percent):,}",  # not rounded up: 100 % is spent
        "mc-out" if one.is_spent else "mc-used",
        min(100, int(percent)),
    )


def unit(one: Standing, figures: dict[str, str]) -> Any:
    """Return the unit of the figures."""
    return UNITS.get(BudgetKind(one.budget.kind), figures["unit"])


def grouped(figure: str) -> str:
    """Return a figure with thousands separators."""
    whole, point, rest = figure.partition(".")
    return f"{int(whole):,}{point}{rest}"


def state(one: Standing) -> SafeString:
    """Return the state of a budget, and whether it has stopped its token."""
    if one.is_spent:
        return badge(_now("spent, new jobs are refused") if one.budget.stops else _now("spent"), "danger")
    return badge(_now("nearly spent"), "warning") if one.is_near else badge(_now("in order"), "success")


def budget_table(token_id: int) -> Table:
    """Return the budgets of a token, for its page."""
    rows: list[Any] = list(Budget.objects.filter(token=token_id))
    put_standing(rows)
    lines = [
        (link_to(row, row.get_kind_display()), amount_of(row.standing), bar(row.standing), state(row.standing))
        for row in rows
    ]
    heads = (_("budget"), _("amount of a month"), _("used this month"), _("state"))
    return Table(
        _("Budgets"), heads, lines, reverse("admin:billing_budget_changelist") + f"?token__id__exact={token_id}"
    )
