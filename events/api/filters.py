from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from core.api.filters import EXPAND, Ordering, TextFilter, TimeFilter, WholeFilter, WordFilter, keep
from tokens.queries import find_any_token


class EventFilter(filters.FilterSet):
    """Filters of the list of events."""

    id = WholeFilter()
    token = TextFilter(method="of_token")
    action = TextFilter(lookup_expr="iexact")
    subject = TextFilter()
    expand = WordFilter(choices=EXPAND, method=keep)
    ordering = Ordering(fields=(("pk", "id"), ("event_time", "eventTime")), label="ordering")

    @classmethod
    def get_filters(cls) -> dict[str, Any]:
        """Add `from` and `to`, which no class attribute can be called."""
        found = super().get_filters()
        return {**found, "from": TimeFilter("event_time", "gte"), "to": TimeFilter("event_time", "lte")}

    def of_token(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """Keep what is about the token with this value, also a deleted one."""
        token = find_any_token(value)
        return rows.filter(token_id=token.pk) if token else rows.none()
