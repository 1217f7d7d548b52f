from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from billing.admin.paper import file, page
from billing.choices import StatementKind, StatementStatus
from billing.files import KINDS
from billing.files.tables import hours
from billing.models import Statement
from billing.pricing import money
from billing.services.statements import correct_statement, issue_statement, make_again
from core.admin import (
    ServiceAdmin,
    Table,
    badge,
    by_number,
    confirmed,
    exact_time,
    link,
    link_column,
    link_to,
    with_key,
    without,
)
from core.admin.actions import page_action
from core.signs import NOTHING
from core.stored_text import Skipped, StoredText
from events.actor import Actor
from events.admin import event_table


class ByMonth(admin.SimpleListFilter):
    """Filter statements by month."""

    title = _("month")
    parameter_name = "month"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        months = Statement.objects.order_by("-month").values_list("month", flat=True).distinct()
        return [(f"{month:%Y-%m}", f"{month:%Y-%m}") for month in months]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Statement]) -> QuerySet[Statement]:
        if not self.value():
            return queryset
        try:
            return queryset.filter(month=date.fromisoformat(f"{self.value()}-01"))
        except ValueError:
            return queryset.none()


@admin.register(Statement)
class StatementAdmin(ServiceAdmin):
    """The list and the pages of statements."""

    comes_from = _("A statement is made of a month that is closed, for each token that used something in it.")
    list_display = (
        *("__str__", "shown_month", "token_link", "shown_kind", "shown_status", "device_hours"),
        *("shown_total", "currency", "shown_issued_at"),
    )
    list_filter = (ByMonth, by_number(_("token"), "token"), "status", "kind")
    list_select_related = ("token", "corrects")
    search_fields = ("number", "customer", "token__description")
    search_help_text = _("Number, or customer's name")
    ordering = ("-month", "token_id", "sequence")
    actions = ("make", "issue", "correct")
    actions_detail = ("make", "issue", "correct")
    actions_list: Any = ("to_months",)
    fields = (
        *("__str__", "shown_month", "token_link", "customer", "shown_kind", "shown_status", "corrects_link"),
        *("device_hours", "shown_total", "currency", "time_zone", "made_at", "shown_issued_at", "issued_by"),
    )
    readonly_fields = fields
    export_columns = {
        "name": None,
        "number": "number",
        "customer": "customer",
        "month": lambda row: f"{row.month:%Y-%m}",
        "token": "token_id",
        "corrects": lambda row: row.corrects.number if row.corrects else None,
        "device_hours": lambda row: hours(row.device_ms),
        "device_ms": "device_ms",
        "total": lambda row: Decimal(row.amount),
        "issued_by": "issued_by",
    }
    to_months = page_action(
        "to_months", _("Make statements"), "admin:usage_closedmonth_changelist", icon="calendar_month"
    )

    def get_urls(self) -> list[Any]:
        files = [
            path(f"<int:pk>/statement.{kind}", self._seen(file, kind=kind), name=f"billing_statement_{kind}")
            for kind in KINDS
        ]
        paper = path("<int:pk>/paper/", self._seen(page), name="billing_statement_paper")
        return [*files, paper, *super().get_urls()]

    def _seen(self, view: Any, **how: str) -> Any:
        """Return the view for operators who may see statements; others are refused."""

        def seen(request: HttpRequest, pk: int) -> HttpResponse:
            answer: HttpResponse = view(self, request, pk, **how)
            return answer

        return self.admin_site.admin_view(seen)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer on a statement's page to make and issue a draft, and to correct what is issued."""
        issued = with_key(Statement.objects.filter(status=StatementStatus.ISSUED), object_id).exists()
        return without(super().get_actions_detail(request, object_id), {"make", "issue"} if issued else {"correct"})

    @confirmed(
        _("Make again"),
        explanation=_("Drafts are made again of the usage and the prices of now. What is issued stays as it is."),
        icon="refresh",
    )
    def make(self, actor: Actor, row: Statement, _data: dict[str, Any]) -> StoredText:
        return _result(make_again(row, actor=actor))

    @confirmed(
        _("Issue"),
        explanation=_("They are made again and frozen: nobody can change them any more, only correct them."),
        icon="verified",
        dangerous=True,
    )
    def issue(self, actor: Actor, row: Statement, _data: dict[str, Any]) -> StoredText:
        return _result(issue_statement(row, actor=actor))

    @confirmed(
        _("Correct"),
        explanation=_("What usage and prices of now say otherwise is issued as a correction beside each, for good."),
        icon="difference",
        dangerous=True,
    )
    def correct(self, actor: Actor, row: Statement, _data: dict[str, Any]) -> StoredText:
        made = correct_statement(row, actor=actor)
        return _result(made) if made else Skipped(_("It is right as it is."))

    @admin.display(description=_("month"), ordering="month")
    def shown_month(self, row: Statement) -> str:
        return f"{row.month:%Y-%m}"

    token_link = link_column("token", _("token"), ordering="token__description")
    corrects_link = link_column("corrects", _("corrects"))

    @admin.display(description=_("kind"), ordering="kind")
    def shown_kind(self, row: Statement) -> SafeString:
        return badge(row.get_kind_display(), "warning" if row.kind == StatementKind.CORRECTION else "")

    @admin.display(description=_("status"), ordering="status")
    def shown_status(self, row: Statement) -> SafeString:
        return badge(row.get_status_display(), "success" if row.status == StatementStatus.ISSUED else "info")

    @admin.display(description=_("device-hours"), ordering="device_ms")
    def device_hours(self, row: Statement) -> str:
        return f"{hours(row.device_ms):,}"

    @admin.display(description=_("total amount"), ordering="total")
    def shown_total(self, row: Statement) -> str:
        return f"{Decimal(row.amount):,}"

    @admin.display(description=_("issued"), ordering="issued_at")
    def shown_issued_at(self, row: Statement) -> SafeString | str:
        return exact_time(row.issued_at)

    def tables(self, request: HttpRequest, row: Statement) -> Iterable[Table]:
        yield _files(row)
        names = (_("SDA model"), _("device model"), _("device-hours"), _("price of a device-hour"), _("amount"))
        yield Table(_("Lines"), names, [_line(row, line) for line in row.lines.all()], above=True)
        found = [(link_to(one), f"{Decimal(one.amount):,}", exact_time(one.issued_at)) for one in row.corrections.all()]
        if found:
            yield Table(_("Corrections"), (_("number"), _("total amount"), _("issued")), found)
        yield event_table(f"statement/{row.pk}")


def _result(row: Statement) -> StoredText:
    return StoredText("%(number)s: %(total)s %(currency)s", {
        "number": str(row), "total": f"{Decimal(row.amount):,}", "currency": row.currency
    })  # fmt: skip


def _files(row: Statement) -> Table:
    links = [link(reverse(f"admin:billing_statement_{kind}", args=[row.pk]), kind.upper()) for kind in KINDS]
    paper = link(reverse("admin:billing_statement_paper", args=[row.pk]), _("Page to print"))
    return Table(_("Files"), (), [(paper, *links)], above=True)


def _line(row: Statement, line: Any) -> tuple[object, ...]:
    price = _("no price") if line.unit_price is None else f"{line.unit_price.normalize():,f}"
    amount = f"{Decimal(money(line.amount, row.digits)):,}"
    return line.sda_model_name, line.device_model or NOTHING, f"{hours(line.device_ms):,}", price, amount
