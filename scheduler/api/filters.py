"""Query parameters of the queue and the history in REST."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework.response import Response

from accounts.api.entry import writes
from core.api.filters import (
    EXPAND,
    TOTAL,
    LatestFirst,
    Ordering,
    TextFilter,
    TimeFilter,
    WholeFilter,
    WordFilter,
    WordsFilter,
    keep,
)
from core.crypto import digest
from scheduler.choices import HOLDING, OVER, JobStatus
from scheduler.queries.jobs import count_history
from tokens.queries import tokens_like

LIVE_WORDS = {"running": HOLDING, "submitted": (JobStatus.SUBMITTED,), "waiting": (JobStatus.WAITING,)}
SORTS = (("pk", "id"), ("priority", "priority"), ("requested_at", "requestTime"), ("started_at", "startTime"))


class QueueFilter(filters.FilterSet):
    """Filters of the queue."""

    status = WordFilter(choices=[(word, word) for word in LIVE_WORDS], method="by_word")
    id = WholeFilter()
    token = TextFilter(method="of_token")
    expand = WordFilter(choices=EXPAND, method=keep)
    ordering = Ordering(fields=SORTS, label="ordering")

    def by_word(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """Return waiting jobs, or those that hold devices."""
        return rows.filter(status__in=LIVE_WORDS[value])

    def of_token(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """Return the jobs of the token with this value."""
        return rows.filter(token__value_digest=digest(value))


class HistoryFilter(filters.FilterSet):
    """Filters of the history."""

    starttimeFrom = TimeFilter("started_at", "gte")
    starttimeTo = TimeFilter("started_at", "lte")
    endtimeFrom = TimeFilter("ended_at", "gte")
    endtimeTo = TimeFilter("ended_at", "lte")
    status = WordsFilter("status", choices=[(status.value, status.label) for status in OVER])
    token = TextFilter(method="like_token", label="a part of the token's description or value")
    id = WholeFilter()
    expand = WordFilter(choices=EXPAND, method=keep)
    ordering = Ordering(fields=(*SORTS, ("ended_at", "endTime")), label="ordering")

    def like_token(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """Return the jobs of matching tokens. Operators who may not see token values cannot search them either."""
        return rows.filter(token__in=tokens_like(value, by_value=writes(self.request.user)))


class HistoryPages(LatestFirst):
    """Pages of the history, the newest end first."""

    keyset = ("ended_at", "pk")
    count_all = staticmethod(count_history)
    name = "History"

    def get_paginated_response(self, data: Any) -> Response:
        """Return the jobs of this page with the number of all jobs."""
        return Response({"jobs": data, "totalCount": self.total}, headers={TOTAL: str(self.total)})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of a page."""
        properties = {"jobs": schema, "totalCount": {"type": "integer"}}
        return {"type": "object", "properties": properties, "required": ["jobs", "totalCount"]}
