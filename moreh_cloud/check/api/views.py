from typing import Any

from django.contrib.auth import get_user
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response

from moreh_cloud.accounts.api.entry import Bearer
from moreh_cloud.check.api.serializers import CheckQuery, CheckSerializer
from moreh_cloud.check.parts import PARTS, Finding, Status, look, look_at
from moreh_cloud.lib.api.schema import failures
from moreh_cloud.lib.api.views import WireView


class CheckView(WireView):
    """Needs no login, and no database to say that there is none."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        tags=["check"],
        parameters=[CheckQuery],
        auth=[],
        responses={200: CheckSerializer, 503: CheckSerializer, **failures(400)},
    )
    def list(self, request: Request) -> Response:
        """Tell how each part is; 503 when one that was asked for is in error."""
        asked = self.given(CheckQuery).get("type") or list(PARTS)
        found = look_at(dict.fromkeys(asked))
        wrong = [part for part, finding in found.items() if finding.status == Status.ERROR]
        staff = "db" not in wrong and _is_staff(request)
        body = {part: _card(finding, staff=staff) for part, finding in found.items()}
        return Response(body, status=503 if wrong else 200, headers={"Cache-Control": "no-store"})


def _card(finding: Finding, *, staff: bool) -> dict[str, Any]:
    card = {"status": finding.status.value, "latency": finding.latency}
    return {**card, "detail": finding.detail, **finding.counts} if staff else card


def _is_staff(request: Request) -> bool:
    """Tell whether an operator asks; where that cannot be known, nobody does."""
    try:
        entered = Bearer().authenticate(request)  # type: ignore[no-untyped-call]
        user: Any = entered[0] if entered else get_user(request._request)
        return bool(getattr(user, "may_enter", False))
    except (AuthenticationFailed, DatabaseError):
        return False


def livez(_request: HttpRequest) -> HttpResponse:
    """Tell that this process answers."""
    return HttpResponse("ok", content_type="text/plain")


def readyz(_request: HttpRequest) -> HttpResponse:
    """Tell whether this process can serve: its database answers."""
    ready = look("db").status == Status.OK
    return HttpResponse("ok" if ready else "database", content_type="text/plain", status=200 if ready else 503)
