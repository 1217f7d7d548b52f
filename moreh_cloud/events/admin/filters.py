"""What the event log is narrowed by."""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter, TextFilter

from moreh_cloud.events.models import Event
from moreh_cloud.events.queries import known_actions
from moreh_cloud.lib.admin import ExactNumber
from tokens.queries import tokens_like

PROTOCOLS = ("admin", "rest", "grpc", "shell", "mail", "login", "oidc", "internal")


class ByToken(ExactNumber):
    title = _("token")
    parameter_name = "token_id"


class Written(TextFilter):
    """Narrow the list by what is written into a field, exactly."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        name = str(self.parameter_name)
        label = capfirst(str(self.title))
        yield {"form": self.form_class(name=name, label=str(label), data={name: self.value()})}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        value = (self.value() or "").strip()
        return queryset.filter(**{str(self.parameter_name): value}) if value else queryset


class ByActor(Written):
    title = _("by")
    parameter_name = "actor"


class BySubject(Written):
    title = _("subject, like backend/12")
    parameter_name = "subject"


class ByCustomer(Written):
    title = _("customer's name, or a part of it")
    parameter_name = "customer"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        part = (self.value() or "").strip()
        return queryset.filter(token_id__in=tokens_like(part, by_value=False)) if part else queryset


class ByAction(DropdownFilter):
    title = _("action")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(action, action) for action in known_actions()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        return queryset.filter(action=self.value()) if self.value() else queryset


class ByProtocol(DropdownFilter):
    title = _("protocol")
    parameter_name = "referer_protocol"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in PROTOCOLS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        return queryset.filter(referer_protocol=self.value()) if self.value() else queryset
