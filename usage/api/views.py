"""REST views of usage."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import Operators
from core.api.schema import reads
from tokens.queries import find_any_token
from usage.api import serializers, shapes
from usage.breakdown import GroupBy
from usage.calendar import Unit
from usage.capacity import total_devices
from usage.metering import NOTHING
from usage.queries import UsageReport, usage_of


@extend_schema(tags=["usage"])
class UsageView(Operators):
    """Usage over a range."""

    @reads(serializers.UsageSerializer, serializers.UsageQuery, many=False, listed=serializers.UseSerializer)
    def list(self, _request: Request) -> Response:
        """Return how many devices were held at once over a range, cut to now, and on request by group and over time."""
        given = self.given(serializers.UsageQuery)
        value = given.get("token", "")
        token = find_any_token(value) if value else None
        tokens = None if not value else [token.pk] if token else []
        span = (given["starttime"], given["endtime"])
        known = usage_of(*span, token) if token or not value else UsageReport(NOTHING, [], total_devices())
        showing = self.showing
        body = {
            "code": "SUCCESS",
            "total_usage": shapes.total_use(known, showing.secret(value) if value else ""),
            "usage_list": [shapes.token_use(row, known.capacity, showing) for row in known.tokens],
        }
        by = GroupBy(given["group_by"]) if "group_by" in given else None
        if by:
            body["groups"] = shapes.groups(*span, by, tokens)
        if "interval" in given:
            body["intervals"] = shapes.intervals(*span, Unit(given["interval"]), by, tokens)
        if by or "interval" in given:
            body["not_billed"] = shapes.not_billed(*span, by, tokens)
        return Response(body)
