"""Filters by the use of nodes and devices, as the cards of the home page count it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.clock import db_now
from scheduler.choices import Availability
from scheduler.queries.availability import device_availability, node_availability

SERVICE = "in-service"
IN_SERVICE = (Availability.IN_USE, Availability.AVAILABLE)


class NodeUseFilter(admin.SimpleListFilter):
    """A filter by the use of nodes."""

    title = _("use")
    parameter_name = "use"
    expression = staticmethod(node_availability)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*((use.value, use.label) for use in Availability), (SERVICE, _("in service"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        uses = IN_SERVICE if value == SERVICE else [value]
        narrowed: QuerySet[Any] = queryset.alias(use_now=self.expression(db_now())).filter(use_now__in=uses)
        return narrowed


class DeviceUseFilter(NodeUseFilter):
    """A filter by the use of devices."""

    expression = staticmethod(device_availability)
