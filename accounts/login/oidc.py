"""Log-in through an OpenID Connect provider, which says whose verified e-mail address it is.

Authlib carries out the protocol and checks the ID token: signature, issuer, audience, nonce and times. A log-in never
creates an operator.
"""

import time
from math import ceil
from typing import Any

import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.django_client import OAuth
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.backends import BaseBackend
from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from joserfc.errors import JoseError
from requests import RequestException

from accounts.login.lockout import site_of
from accounts.models import Operator
from core.texts import problem_of
from core.throttle import Bucket

log = structlog.get_logger(__name__)
LOGIN_TIMEOUT = 600  # seconds for the log-in at the provider
BEGUN_A_MINUTE = 20  # log-ins, from one address
MOST_BEGUN = 50  # log-ins that a session remembers
TIMEOUT = 5  # seconds
BEGUN, NEXT = "oidc_states", "oidc_login_next"  # in sessions, also in those of older versions
bucket = Bucket("oidc")


class OidcBackend(BaseBackend):
    """Look up operators whom the provider let in. Sessions store the path of this class: a move needs a migration."""

    def get_user(self, user_id: int) -> Operator | None:
        """Return the operator if they may still enter."""
        found = Operator.objects.filter(pk=user_id).first()
        return found if found and found.may_enter else None


@require_safe
def to_provider(request: HttpRequest) -> HttpResponse:
    """Redirect the browser to the provider. The rate of an address is limited, because each log-in stores a session."""
    _require_provider()
    if wait := bucket.take(site_of(request), rate=BEGUN_A_MINUTE / 60, burst=BEGUN_A_MINUTE):
        later = {"Retry-After": str(ceil(wait))}
        return HttpResponse(_("Too many requests; try again later."), status=429, headers=later)
    begun = _client().create_authorization_url(_callback(request))
    known = request.session.get(BEGUN, {})
    known[begun["state"]] = {
        "nonce": begun["nonce"],
        "code_verifier": begun["code_verifier"],
        "added_on": time.time(),
    }
    request.session[BEGUN] = dict(list(known.items())[-MOST_BEGUN:])
    request.session[NEXT] = _next(request)
    if not request.user.is_authenticated:
        request.session.set_expiry(LOGIN_TIMEOUT)
    return HttpResponseRedirect(begun["url"])


@require_safe
def from_provider(request: HttpRequest) -> HttpResponse:
    """Log in the operator who comes back from the provider, or redirect to the login page with a message."""
    _require_provider()
    try:
        operator = operator_of(_claims(request))
    except (SuspiciousOperation, RequestException, AuthlibBaseError, JoseError, ValueError) as error:
        log.warning("oidc_refused", error=type(error).__name__)
        operator = None
    if operator is None:
        messages.error(request, _("The log-in through the provider did not work, or you have no account here."))
        return HttpResponseRedirect(reverse("admin:login"))
    request.session.set_expiry(None)  # for as long as everybody
    login(request, operator, settings.OIDC_BACKEND)
    return HttpResponseRedirect(request.session.pop(NEXT, None) or resolve_url(settings.LOGIN_REDIRECT_URL))


def operator_of(claims: dict[str, Any]) -> Operator | None:
    """Return the one operator who may enter and has the verified address of these claims, or None."""
    email = claims.get("email")
    if not isinstance(email, str) or not email or problem_of(email) or claims.get("email_verified") is not True:
        return None
    verified = Operator.objects.filter(email_verified_at__isnull=False, is_active=True, is_staff=True)
    found = list(verified.filter(email__iexact=email)[:2])
    return found[0] if len(found) == 1 else None


def _claims(request: HttpRequest) -> dict[str, Any]:
    """Return the provider's claims about the person who comes back. Raises SuspiciousOperation and Authlib's errors."""
    state, code = request.GET.get("state"), request.GET.get("code")
    begun = request.session.get(BEGUN, {}).pop(state, None)
    if begun is None or not code or "error" in request.GET:
        raise SuspiciousOperation("Nobody asked for this log-in, or the provider refused it.")
    request.session.save()  # a second request with the same state is refused from now on
    client = _client()
    try:
        token = client.fetch_access_token(
            redirect_uri=_callback(request), code=code, code_verifier=begun["code_verifier"]
        )
        id_token = client.parse_id_token(token, nonce=begun["nonce"], claims_options=_required())
        claims: dict[str, Any] = client.userinfo(token=token)
        about = id_token["sub"]
    except (AttributeError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
        raise SuspiciousOperation("The provider's answer has another shape.") from error
    if claims.get("sub") != about:  # OpenID Connect Core 5.3.2 leaves this to us
        raise SuspiciousOperation("The provider answered about somebody else.")
    return claims


def _client() -> Any:
    """Return a new client of Authlib. It caches the provider's keys, so each request has its own."""
    clients: Any = OAuth()  # type: ignore[no-untyped-call]
    return clients.register(
        "oidc",
        client_id=settings.MOREH_OIDC_CLIENT_ID,
        client_secret=settings.MOREH_OIDC_CLIENT_SECRET,
        authorize_url=settings.MOREH_OIDC_AUTHORIZATION_URL,
        access_token_url=settings.MOREH_OIDC_TOKEN_URL,
        userinfo_endpoint=settings.MOREH_OIDC_USERINFO_URL,
        jwks_uri=settings.MOREH_OIDC_KEYS_URL,
        id_token_signing_alg_values_supported=["RS256"],
        client_kwargs={
            "scope": "openid email",
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": "client_secret_post",
            "default_timeout": TIMEOUT,
        },
    )


def _required() -> dict[str, Any]:
    """Return the claims that an ID token must have: its issuer and its audience."""
    return {
        "iss": {"essential": True, "value": settings.MOREH_OIDC_ISSUER},
        "aud": {"essential": True, "value": settings.MOREH_OIDC_CLIENT_ID},
    }


def _callback(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("oidc_authentication_callback"))


def _next(request: HttpRequest) -> str | None:
    """Return the page of this site that `next` names, or None."""
    given = request.GET.get("next")
    here = {request.get_host()}
    safe = url_has_allowed_host_and_scheme(given, allowed_hosts=here, require_https=request.is_secure())
    return given if safe else None


def _require_provider() -> None:
    if not settings.MOREH_OIDC_ISSUER:
        raise Http404
