"""The list of nodes is narrowed by the same filters as the node grid and the heat map."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from moreh_cloud.console.queries.node_choice import device_models, narrowed
from moreh_cloud.console.queries.states import MEANINGS


class _Narrowing(admin.SimpleListFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return narrowed(queryset, str(self.parameter_name), value) if value else queryset

    def has_output(self) -> bool:
        """Count even without choices when the address sets it: the list must never show more than was asked for."""
        return bool(self.lookup_choices) or self.value() is not None


class ByDevices(_Narrowing):
    title = _("devices")
    parameter_name = "device"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(name, meaning.word) for name, meaning in MEANINGS.items()]


class ByDeviceModel(_Narrowing):
    title = _("model")
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(model, model) for model in device_models()]


class ByToken(_Narrowing):
    """Set by links from other pages: there are too many tokens to choose from."""

    title = _("token")
    parameter_name = "token"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        value = request.GET.get("token", "")
        return [(value, value)] if value else []
