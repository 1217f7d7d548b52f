"""Filters of the list of alerts."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from alerts.choices import Category, Level, SubjectKind
from alerts.models import OPEN, Alert
from alerts.queries import about_customers, about_groups
from core.api.filters import Ordering, TextFilter, TimeFilter, WholeFilter, WordFilter, WordsFilter
from core.clock import db_now
from notifications.queries import silenced
from tokens.queries import find_any_token

IS = [("true", "true"), ("false", "false")]
ORDER = (("pk", "id"), ("raised_at", "raisedAt"), ("cleared_at", "clearedAt"), ("times", "times"))


class AlertFilter(filters.FilterSet):
    """The parameters of the list of alerts."""

    id = WholeFilter()
    category = WordsFilter(choices=Category.choices)
    level = WordsFilter(choices=Level.choices)
    code = TextFilter(lookup_expr="iexact")
    subjectKind = WordsFilter("subject_kind", choices=SubjectKind.choices)
    subjectId = WholeFilter("subject_id")
    open = WordFilter(choices=IS, method="is_open")
    acknowledged = WordFilter(choices=IS, method="is_acknowledged")
    silenced = WordFilter(choices=IS, method="is_silenced")
    group = WholeFilter(method="of_group")
    token = TextFilter(method="of_token")
    ordering = Ordering(fields=ORDER, label="ordering")

    @classmethod
    def get_filters(cls) -> dict[str, Any]:
        """Add `from` and `to`, which no class attribute can be called."""
        return {**super().get_filters(), "from": TimeFilter("raised_at", "gte"), "to": TimeFilter("raised_at", "lte")}

    def is_open(self, rows: QuerySet[Alert], _name: str, value: str) -> QuerySet[Alert]:
        """Keep the alerts that are open, or those that are cleared."""
        return rows.filter(OPEN) if value == "true" else rows.exclude(OPEN)

    def is_acknowledged(self, rows: QuerySet[Alert], _name: str, value: str) -> QuerySet[Alert]:
        """Keep the alerts that somebody looks after, or those that nobody does."""
        return rows.filter(acknowledged_at__isnull=value != "true")

    def is_silenced(self, rows: QuerySet[Alert], _name: str, value: str) -> QuerySet[Alert]:
        """Keep the alerts that a silence holds now, or the others."""
        held = silenced(db_now())
        return rows.filter(held) if value == "true" else rows.exclude(held)

    def of_group(self, rows: QuerySet[Alert], _name: str, value: int) -> QuerySet[Alert]:
        """Keep what is about a backend group and its things."""
        return rows.filter(about_groups([value]))

    def of_token(self, rows: QuerySet[Alert], _name: str, value: str) -> QuerySet[Alert]:
        """Keep what is about the token with this value and its things, also of a deleted one."""
        token = find_any_token(value)
        return rows.filter(about_customers([token.pk])) if token else rows.none()
