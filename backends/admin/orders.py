from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backends.admin.power import ByBackend
from backends.admin.tones import ORDER
from backends.choices import OPEN_ORDERS
from backends.models import Order
from moreh_cloud.lib.admin import GrowingAdmin, ago, badge, link_to


class Settled(admin.SimpleListFilter):
    """Show open orders unless others are asked for: only those have an index."""

    title = _("settled")
    parameter_name = "settled"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("too", _("Settled too"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        return queryset if self.value() else queryset.filter(state__in=OPEN_ORDERS)

    def choices(self, changelist: Any) -> Any:
        first, *rest = super().choices(changelist)
        yield {**first, "display": _("Open only")}
        yield from rest


@admin.register(Order)
class OrderAdmin(GrowingAdmin):
    comes_from = _("No agent has an open order. Those that are settled are found by the filter.")
    list_display = ("shown_verb", "backend_link", "ref", "devices", "shown_state", "error", "given", "settled")
    list_filter = (Settled, "verb", "state", ByBackend)
    list_select_related = ("backend",)
    search_fields = ("backend__name",)
    search_help_text = _("Name of the backend")
    ordering = ("backend", "created_at")
    fields = ("id", "backend_link", "verb", "ref", "devices", "shown_state", "error", "created_at", "settled_at")
    readonly_fields = ("id", "backend_link", "shown_state")

    @admin.display(description=_("order"), ordering="verb")
    def shown_verb(self, row: Order) -> str:
        return row.get_verb_display()

    @admin.display(description=_("backend"), ordering="backend__name")
    def backend_link(self, row: Order) -> SafeString | str:
        return link_to(row.backend)

    @admin.display(description=_("state"), ordering="state")
    def shown_state(self, row: Order) -> SafeString:
        return badge(row.get_state_display(), ORDER[row.state])

    @admin.display(description=_("given"), ordering="created_at")
    def given(self, row: Order) -> SafeString | str:
        return ago(row.created_at)

    @admin.display(description=_("settled"), ordering="settled_at")
    def settled(self, row: Order) -> SafeString | str:
        return ago(row.settled_at)
