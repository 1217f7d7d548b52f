"""Filters of the list of alerts."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from alerts.models import OPEN, Alert
from alerts.subjects import parse_subject
from core.admin.filters import ExactText
from core.clock import db_now
from notifications.queries import silenced


class StillOpen(admin.SimpleListFilter):
    """Filter alerts by state."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("open", _("open")),
            ("unseen", _("open, not acknowledged")),
            ("silenced", _("open, silenced")),
            ("cleared", _("cleared")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Alert]) -> QuerySet[Alert]:
        match self.value():
            case "open":
                return queryset.filter(OPEN)
            case "unseen":
                return queryset.filter(OPEN, acknowledged_at__isnull=True)
            case "silenced":
                return queryset.filter(silenced(db_now()))
            case "cleared":
                return queryset.exclude(OPEN)
        return queryset


class ByAlertSubject(ExactText):
    """Filter by what the alert is about."""

    title = _("subject, like backend/12")
    parameter_name = "subject"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not (text := (self.value() or "").strip()):
            return queryset
        subject = parse_subject(text)
        if subject is None:
            return queryset.none()
        return queryset.filter(subject_kind=subject.kind, subject_id=subject.id)
