"""Filters of the audit log."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from core.admin import by_number
from core.admin.filters import ExactText
from events.models import Event
from events.queries import known_actions
from tokens.queries import tokens_like

ByToken = by_number(_("token"), "token_id")
PROTOCOLS = ("admin", "rest", "grpc", "shell", "mail", "login", "oidc", "internal")


class ByActor(ExactText):
    """Filter by who acted."""

    title = _("by")
    parameter_name = "actor"


class BySubject(ExactText):
    """Filter by what the event is about."""

    title = _("subject, like backend/12")
    parameter_name = "subject"


class ByCustomer(ExactText):
    """Filter by a part of the customer's name."""

    title = _("customer's name, or a part of it")
    parameter_name = "customer"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        part = (self.value() or "").strip()
        return queryset.filter(token_id__in=tokens_like(part, by_value=False)) if part else queryset


class ByAction(DropdownFilter):
    """Filter by action."""

    title = _("action")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(action, action) for action in known_actions()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        return queryset.filter(action=self.value()) if self.value() else queryset


class ByProtocol(DropdownFilter):
    """Filter by interface."""

    title = _("protocol")
    parameter_name = "referer_protocol"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in PROTOCOLS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        return queryset.filter(referer_protocol=self.value()) if self.value() else queryset
