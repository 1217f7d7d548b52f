import json
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import OperatorView
from core.api.filters import LatestFirst, PageParameters
from core.api.parameters import Whole, merged
from core.api.schema import reads
from core.api.shapes import Showing
from core.api.times import iso
from core.numbers import MAX_ID
from events.api.filters import EventFilter
from events.api.serializers import EventSerializer
from events.models import Event
from events.queries import count_events
from events.settled import settled_id
from tokens.api.cards import token_cards
from tokens.queries import any_tokens

FIELDS = ("pk", "token_id", "action", "subject", "request", "response", "event_time", "referer_protocol", "referer_ip")


class CatchUp(PageParameters):
    """The part of the list behind the last event seen, 0 for none."""

    after = Whole(max_value=MAX_ID)


class EventPages(LatestFirst):
    """Pages of events, the newest first; with `ordering=id`, `after` leads to newer ones, up to what is settled."""

    count_all = staticmethod(count_events)

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        """Cut as ever; who catches up gets no event that one with a lower id may still follow."""
        asked = merged(request)
        if asked.get("ordering") != "id" or "after" not in asked:
            return super().paginate_queryset(queryset, request, view)
        page = CatchUp(data=asked, context={"lenient": True})
        page.is_valid(raise_exception=True)
        given = page.validated_data
        rows = queryset.filter(pk__gt=given["after"], pk__lte=settled_id()).order_by("pk")
        self.total = rows.count()
        offset = given["offset"]
        return rows[offset : offset + given.get("limit", self.default_limit)]


@extend_schema(tags=["log"])
class EventView(OperatorView):
    """The list of events."""

    queryset = Event.objects.order_by("-pk")
    filterset_class = EventFilter
    pagination_class = EventPages

    @reads(EventSerializer)
    def list(self, _request: Request) -> Response:
        """List events, the newest first."""
        return self.listed(event_cards(self.page(Event.objects.order_by("-pk")), self.showing))


def event_cards(events: QuerySet[Event], showing: Showing) -> list[dict[str, Any]]:
    """Shape events with their tokens, deleted ones too, in four queries, or five with lists of tokens."""
    rows = list(events.values_list(*FIELDS, "actor"))
    tokens = token_cards(any_tokens({row[1] for row in rows if row[1]}), showing)
    return [
        {
            "id": pk,
            "token": tokens.get(token),
            "action": action,
            "subject": subject,
            "request": json.dumps(request, ensure_ascii=False),
            "response": json.dumps(response, ensure_ascii=False),
            "eventTime": iso(at),
            "referer": {"protocol": protocol, "ipAddress": ip},
            "actor": actor,
        }
        for pk, token, action, subject, request, response, at, protocol, ip, actor in rows
    ]
