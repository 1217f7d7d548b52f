from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework.response import Response

from moreh_cloud.accounts.api.entry import writes
from moreh_cloud.lib.api.filters import (
    EXPAND,
    TOTAL,
    LatestFirst,
    TimeFilter,
    WholeFilter,
    WordFilter,
    WordsFilter,
    keep,
)
from moreh_cloud.lib.crypto import digest
from scheduler.choices import HOLDING, OVER, JobStatus
from scheduler.queries import count_history
from tokens.queries import tokens_like

LIVE_WORDS = {"running": HOLDING, "submitted": (JobStatus.SUBMITTED,), "waiting": (JobStatus.WAITING,)}
SORTS = (("pk", "id"), ("priority", "priority"), ("requested_at", "requestTime"), ("started_at", "startTime"))


class QueueFilter(filters.FilterSet):
    status = WordFilter(choices=[(word, word) for word in LIVE_WORDS], method="by_word")
    id = WholeFilter()
    token = filters.CharFilter(method="of_token")
    expand = WordFilter(choices=EXPAND, method=keep)
    ordering = filters.OrderingFilter(fields=SORTS, label="ordering")

    def by_word(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """Keep waiting jobs, or those that hold devices."""
        return rows.filter(status__in=LIVE_WORDS[value])

    def of_token(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """Keep the jobs of the token with this value."""
        return rows.filter(token__value_digest=digest(value))


class HistoryFilter(filters.FilterSet):
    starttimeFrom = TimeFilter("started_at", "gte")
    starttimeTo = TimeFilter("started_at", "lte")
    endtimeFrom = TimeFilter("ended_at", "gte")
    endtimeTo = TimeFilter("ended_at", "lte")
    status = WordsFilter("status", choices=[(status.value, status.label) for status in OVER])
    token = filters.CharFilter(method="like_token", label="a part of the token's description or value")
    id = WholeFilter()
    expand = WordFilter(choices=EXPAND, method=keep)
    ordering = filters.OrderingFilter(fields=(*SORTS, ("ended_at", "endTime")), label="ordering")

    def like_token(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """Keep the jobs of tokens like this; who sees no values cannot search them either."""
        return rows.filter(token__in=tokens_like(value, by_value=writes(self.request.user)))


class HistoryPages(LatestFirst):
    keyset = ("ended_at", "pk")
    count_all = staticmethod(count_history)
    name = "History"

    def get_paginated_response(self, data: Any) -> Response:
        """Answer with the number of all jobs beside those of this part."""
        return Response({"jobs": data, "totalCount": self.total}, headers={TOTAL: str(self.total)})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe that answer."""
        properties = {"jobs": schema, "totalCount": {"type": "integer"}}
        return {"type": "object", "properties": properties, "required": ["jobs", "totalCount"]}
