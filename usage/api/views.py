from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from moreh_cloud.accounts.api.operators import Operators
from moreh_cloud.lib.api.schema import reads
from moreh_cloud.lib.api.shapes import Showing
from tokens.queries import find_token
from usage.api import serializers as shapes
from usage.capacity import total_devices
from usage.metering import NOTHING
from usage.queries import TokenUsage, UsageReport, usage_of


@extend_schema(tags=["usage"])
class UsageView(Operators):
    @reads(shapes.UsageSerializer, shapes.UsageQuery, many=False, listed=shapes.Use)
    def list(self, _request: Request) -> Response:
        """Measure how many devices were held at once over a range, cut to now."""
        given = self.given(shapes.UsageQuery)
        value = given.get("token", "")
        token = find_token(value) if value else None
        if value and token is None:
            report = UsageReport(NOTHING, [], total_devices(), 0)
        else:
            report = usage_of(given["starttime"], given["endtime"], token)
        shown = self.showing.secret(value) if value else ""
        rows = [_use(row, self.showing) for row in report.tokens]
        return Response({"code": "SUCCESS", "total_usage": _total(report, shown), "usage_list": rows})


def _total(report: UsageReport, token: str) -> dict[str, Any]:
    total = report.total
    return {
        "token": token,
        "min": total.minimum,
        "max": total.maximum,
        "average": float(total.average),
        "min_percentage": float(report.percent(total.minimum)),
        "max_percentage": float(report.percent(total.maximum)),
        "average_percentage": float(report.percent(total.average)),
        "total_devices": report.total_devices,
    }


def _use(row: TokenUsage, showing: Showing) -> dict[str, Any]:
    return {
        "token": showing.secret(row.token.value),
        "min": row.held.minimum,
        "max": row.held.maximum,
        "average": float(row.held.average),
        "device_seconds": row.held.device_ms / 1000,
    }
