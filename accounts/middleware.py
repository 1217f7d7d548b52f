"""Middleware for log-ins: a required second factor, and the status code of a lock-out."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import BACKEND_SESSION_KEY
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.errors import FactorOwed
from accounts.login.lockout import is_locked_out, seconds_to_wait

PROVIDER = "accounts.login.oidc.OidcBackend"  # which asks for a second factor, or not, itself
OPEN = ("two_factor", "admin:logout", "admin:jsi18n", "set_language")


class RequireTwoFactor:
    """Lead a session without the second factor that MOREH_TWO_FACTOR requires to the page that sets it up."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        if settings.MOREH_TWO_FACTOR != "optional" and _owes(request):
            return _led(request)
        return self.get_response(request)


class AnswerLockedOut:
    """Set status 429 and Retry-After on the answer to a locked-out log-in attempt."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        answer = self.get_response(request)
        if is_locked_out(request):
            answer.status_code = 429
            answer["Retry-After"] = str(seconds_to_wait())
        return answer


def _owes(request: HttpRequest) -> bool:
    if request.session.get(BACKEND_SESSION_KEY, PROVIDER) == PROVIDER:  # or nobody has logged in
        return False
    owes = bool(getattr(request.user, "owes_factor", False))
    return owes and request.path not in [reverse(name) for name in OPEN]


def _led(request: HttpRequest) -> HttpResponse:
    if request.path.startswith("/api/"):
        refusal = FactorOwed()
        return JsonResponse({"code": refusal.code, "message": str(refusal), "details": {}}, status=403)
    messages.warning(request, _("Two-factor log-in is demanded of you here. Switch it on first."))
    return HttpResponseRedirect(reverse("two_factor"))
