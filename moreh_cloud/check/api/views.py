from typing import Any

from django.contrib.auth import get_user
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.entry import Bearer
from core.api.schema import failures
from core.api.views import WireView
from core.outages import DATABASE_ERRORS
from moreh_cloud.check.api.serializers import CheckQuery, CheckSerializer
from moreh_cloud.check.finding import PartFinding, Status
from moreh_cloud.check.probes import PROBES, run_probe, run_probes


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
        """Return the state of each part; 503 when a requested one is in error."""
        asked = self.given(CheckQuery).get("type") or list(PROBES)
        found = run_probes(dict.fromkeys(asked))
        wrong = [part for part, finding in found.items() if finding.status == Status.ERROR]
        staff = "db" not in wrong and _is_staff(request)
        body = {part: _card(finding, staff=staff) for part, finding in found.items()}
        return Response(body, status=503 if wrong else 200, headers={"Cache-Control": "no-store"})


def _card(finding: PartFinding, *, staff: bool) -> dict[str, Any]:
    card = {"status": finding.status.value, "latency": finding.latency}
    return {**card, "detail": finding.detail, **finding.counts} if staff else card


def _is_staff(request: Request) -> bool:
    """Whether an operator asks; where that cannot be known, nobody does."""
    try:
        entered = Bearer().authenticate(request)
        user: Any = entered[0] if entered else get_user(request._request)
        return bool(getattr(user, "may_enter", False))
    except (AuthenticationFailed, Throttled, *DATABASE_ERRORS):
        return False


def livez(_request: HttpRequest) -> HttpResponse:
    """Return 200 while this process answers."""
    return HttpResponse("ok", content_type="text/plain")


def readyz(_request: HttpRequest) -> HttpResponse:
    """Whether this process can serve: its database answers."""
    ready = run_probe("db").status == Status.OK
    return HttpResponse("ok" if ready else "database", content_type="text/plain", status=200 if ready else 503)
