import json
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from moreh_cloud.accounts.api.operators import OperatorView
from moreh_cloud.events.api.filters import EventFilter
from moreh_cloud.events.api.serializers import EventSerializer
from moreh_cloud.events.models import Event
from moreh_cloud.events.queries import count_events
from moreh_cloud.lib.api.filters import LatestFirst
from moreh_cloud.lib.api.schema import reads
from moreh_cloud.lib.api.shapes import Showing
from moreh_cloud.lib.api.times import iso
from tokens.api.cards import token_cards
from tokens.models import Token

FIELDS = ("pk", "token_id", "action", "subject", "request", "response", "event_time", "referer_protocol", "referer_ip")


class EventPages(LatestFirst):
    count_all = staticmethod(count_events)


@extend_schema(tags=["log"])
class EventView(OperatorView):
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
    tokens = token_cards(Token.objects.filter(pk__in={row[1] for row in rows if row[1]}), showing)
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
