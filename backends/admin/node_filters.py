"""The filters of the list of nodes, which are the same as those of the node grid and the heat map."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import TextFilter

from backends.choices import Verdict
from backends.queries.device_states import MEANINGS
from backends.queries.devices import device_models
from scheduler.queries.node_choice import narrowed


class _NodeFilter(admin.SimpleListFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return narrowed(queryset, str(self.parameter_name), value) if value else queryset

    def has_output(self) -> bool:
        """Whether the filter applies: also without choices when the URL sets it, so that the list shows no more."""
        return bool(self.lookup_choices) or self.value() is not None


class DeviceStateFilter(_NodeFilter):
    """Nodes that have devices of a state."""

    title = _("devices")
    parameter_name = "device"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(name, meaning.word) for name, meaning in MEANINGS.items()]


class DeviceHealthFilter(_NodeFilter):
    """Nodes that have devices that are suspect, or have failed."""

    title = _("health of devices")
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(verdict.value, verdict.label) for verdict in (Verdict.SUSPECT, Verdict.FAILED)]


class DeviceModelFilter(_NodeFilter):
    """Nodes that have devices of a model."""

    title = _("model")
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(model, model) for model in device_models()]


class NodesOfTokenFilter(_NodeFilter):
    """Nodes with devices of a token. Links from other pages set it; there are too many tokens for a choice."""

    title = _("token")
    parameter_name = "token"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        value = request.GET.get("token", "")
        return [(value, value)] if value else []


class _NodeTextFilter(TextFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return narrowed(queryset, str(self.parameter_name), value) if value else queryset


class RackFilter(_NodeTextFilter):
    """Nodes of a rack."""

    title = _("rack")
    parameter_name = "rack"


class NodeTagFilter(_NodeTextFilter):
    """Nodes with a tag."""

    title = _("tag")
    parameter_name = "tag"


class SerialFilter(_NodeTextFilter):
    """Nodes by a part of their serial numbers."""

    title = _("serial number")
    parameter_name = "serial"


class CustomFieldFilter(_NodeTextFilter):
    """Nodes by a custom field, as name=value."""

    title = _("custom field (name=value)")
    parameter_name = "cf"


INVENTORY_FILTERS = (RackFilter, NodeTagFilter, SerialFilter, CustomFieldFilter)
