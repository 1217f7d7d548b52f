"""Filters by what nodes and devices are good for now, as the cards of the first page count them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.clock import db_now
from scheduler.choices import Use
from scheduler.queries import device_use, node_use

SERVICE = "in-service"
IN_SERVICE = (Use.IN_USE, Use.AVAILABLE)


class NodeUse(admin.SimpleListFilter):
    title = _("use")
    parameter_name = "use"
    expression = staticmethod(node_use)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*((use.value, use.label) for use in Use), (SERVICE, _("in service"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wish = self.value()
        if not wish:
            return queryset
        uses = IN_SERVICE if wish == SERVICE else [wish]
        narrowed: QuerySet[Any] = queryset.alias(use_now=self.expression(db_now())).filter(use_now__in=uses)
        return narrowed


class DeviceUse(NodeUse):
    expression = staticmethod(device_use)
