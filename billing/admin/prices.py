from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget

from backends.queries.devices import device_models
from billing.models import Price, StatementLine
from billing.models.prices import DECIMALS, DIGITS
from billing.pricing import money
from billing.queries.prices import within
from billing.services.prices import change_price, create_price, delete_price, end_price, replace_price
from core.admin import ConfirmForm, RowForm, ServiceAdmin, Table, badge, confirmed, link_to
from events.actor import Actor
from events.admin import actor_of, event_table

LATEST = 20  # lines on the page of the price that they used


def _day_field(label: Any, help_text: Any) -> forms.DateField:
    return forms.DateField(label=label, help_text=help_text, widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))


class EndForm(ConfirmForm):
    """Form of the day on which a price ends."""

    valid_until = _day_field(
        _("valid until"), _("It ends with this day's midnight: the day is the first one without it.")
    )


class ReplaceForm(ConfirmForm):
    """Form of a new price and the day from which it holds."""

    valid_from = _day_field(_("valid from"), _("The old price ends with this day's midnight, and the new one begins."))
    amount = forms.DecimalField(
        label=_("price of a device-hour"),
        min_value=0,
        max_digits=DIGITS,
        decimal_places=DECIMALS,
        widget=UnfoldAdminDecimalFieldWidget,
    )


class PriceForm(RowForm):
    """Form of a price."""

    class Meta:
        model = Price
        fields = ("sda_model", "device_model", "amount", "valid_from", "valid_until")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["amount"] = f"{self.instance.amount.normalize():f}"
        if "device_model" in self.fields:
            known = device_models()
            field = self.fields["device_model"]
            known_text = _("Nodes have: %(models)s.") % {"models": ", ".join(known)} if known else ""
            field.help_text = format_html("{} {}", field.help_text, known_text)


class Validity(admin.SimpleListFilter):
    """Filter prices by whether they hold now."""

    title = _("validity")
    parameter_name = "valid"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("now", _("now")), ("later", _("later")), ("over", _("over"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Price]) -> QuerySet[Price]:
        today = timezone.localdate()
        conditions = {
            "now": Q(valid_from__lte=today) & within(today, None),
            "later": Q(valid_from__gt=today),
            "over": Q(valid_until__lte=today),
        }
        return queryset.filter(conditions.get(str(self.value()), Q()))


class Of(admin.SimpleListFilter):
    """Filter prices by SDA model or device model."""

    title = _("of")
    parameter_name = "of"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("sda_model", _("SDA models")), ("device_model", _("device models"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Price]) -> QuerySet[Price]:
        return queryset.filter(sda_model__isnull=self.value() != "sda_model") if self.value() else queryset


@admin.register(Price)
class PriceAdmin(ServiceAdmin):
    """The list and the pages of prices."""

    comes_from = _("What has no price costs nothing, and statements say so.")
    form = PriceForm
    list_display = (
        "__str__",
        "sda_model",
        "device_model",
        "shown_amount",
        "currency",
        "valid_from",
        "valid_until",
        "state",
    )
    list_filter = (Validity, Of)
    list_select_related = ("sda_model",)
    search_fields = ("sda_model__name", "device_model")
    search_help_text = _("Name of the SDA model, or device model")
    ordering = ("-valid_from", "-id")
    autocomplete_fields = ("sda_model",)
    wire_names = {
        "sdaModel": "sda_model",
        "deviceModel": "device_model",
        "validFrom": "valid_from",
        "validUntil": "valid_until",
    }
    actions = ("end", "delete")
    actions_detail = ("replace", "end", "delete")
    export_columns = {"name": None, "amount": "amount"}

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> Price:
        return create_price(actor=actor_of(request), **data)

    def update_row(self, request: HttpRequest, row: Price, changes: dict[str, Any]) -> None:
        change_price(row, actor=actor_of(request), **changes)

    @admin.display(description=_("price of a device-hour"), ordering="amount")
    def shown_amount(self, row: Price) -> str:
        return f"{row.amount.normalize():,f}"

    @confirmed(
        _("End"),
        explanation=_("From that day on the price is not valid any more; what it was used for stays as it is."),
        form=EndForm,
        icon="event_busy",
    )
    def end(self, actor: Actor, row: Price, data: dict[str, Any]) -> bool:
        return end_price(row, data["valid_until"], actor=actor)

    @confirmed(
        _("New price"),
        explanation=_("The price ends, and another one of the same begins on that day."),
        form=ReplaceForm,
        icon="sell",
    )
    def replace(self, actor: Actor, row: Price, data: dict[str, Any]) -> None:
        replace_price(row, actor=actor, **data)

    @confirmed(
        _("Delete"),
        explanation=_("The price is taken away, as if it had never been. One that an issued statement used stays."),
        icon="delete",
        dangerous=True,
    )
    def delete(self, actor: Actor, row: Price, _data: dict[str, Any]) -> None:
        delete_price(row, actor=actor)

    @admin.display(description=_("currency"))
    def currency(self, row: Price) -> str:
        return str(settings.MOREH_CURRENCY)

    @admin.display(description=_("validity"))
    def state(self, row: Price) -> SafeString:
        today = timezone.localdate()
        if row.valid_until and row.valid_until <= today:
            return badge(_("over"))
        return badge(_("later"), "info") if row.valid_from > today else badge(_("now"), "success")

    def tables(self, request: HttpRequest, row: Price) -> Iterable[Table]:
        lines = StatementLine.objects.filter(price=row).select_related("statement")
        latest = lines.order_by("-statement__month", "statement_id", "place")[:LATEST]
        used = [(link_to(line.statement), line.statement.customer, _amount(line)) for line in latest]
        yield Table(_("Statements with it"), (_("statement"), _("customer"), _("amount")), used)
        yield event_table(f"price/{row.pk}")


def _amount(line: StatementLine) -> str:
    return f"{Decimal(money(line.amount, line.statement.digits)):,} {line.statement.currency}"
