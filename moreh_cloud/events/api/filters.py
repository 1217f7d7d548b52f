from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from moreh_cloud.lib.api.filters import EXPAND, TimeFilter, WholeFilter, WordFilter, keep
from tokens.queries import find_token


class EventFilter(filters.FilterSet):
    id = WholeFilter()
    token = filters.CharFilter(method="of_token")
    action = filters.CharFilter(lookup_expr="iexact")
    subject = filters.CharFilter()
    expand = WordFilter(choices=EXPAND, method=keep)
    ordering = filters.OrderingFilter(fields=(("pk", "id"), ("event_time", "eventTime")), label="ordering")

    @classmethod
    def get_filters(cls) -> dict[str, Any]:
        """Add `from` and `to`, which no class attribute can be called."""
        found = super().get_filters()
        return {**found, "from": TimeFilter("event_time", "gte"), "to": TimeFilter("event_time", "lte")}

    def of_token(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """Keep what is about the token with this value."""
        token = find_token(value)
        return rows.filter(token_id=token.pk) if token else rows.none()
