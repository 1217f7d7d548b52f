"""Log-in through an OpenID Connect provider: it says whose verified e-mail address it is; we know who that may be.

mozilla-django-oidc does the dance. It checks neither for whom nor by whom an ID token was made, nor whether an address
was verified, so that is done here. Nobody is created: a Master makes operators.
"""

from typing import Any

import structlog
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import SuspiciousOperation
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from jwt import PyJWTError
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.views import OIDCAuthenticationCallbackView, OIDCAuthenticationRequestView
from requests import RequestException

from moreh_cloud.accounts.models import Operator

log = structlog.get_logger(__name__)


class OidcBackend(OIDCAuthenticationBackend):
    """Let in the one operator who may enter and has the address that the provider has verified."""

    def verify_token(self, token: str, **kwargs: Any) -> dict[str, Any]:
        """Check the signature, and that the token was made by our provider for us. Raises SuspiciousOperation."""
        payload: dict[str, Any] = super().verify_token(token, **kwargs)  # type: ignore[no-untyped-call]
        audience = payload.get("aud")
        if payload.get("iss") != settings.MOREH_OIDC_ISSUER:
            raise SuspiciousOperation("The ID token was made by somebody else.")
        if settings.OIDC_RP_CLIENT_ID not in (audience if isinstance(audience, list) else [audience]):
            raise SuspiciousOperation("The ID token was made for somebody else.")
        if not {"exp", "sub"} <= set(payload):
            raise SuspiciousOperation("The ID token does not end, or says about nobody.")
        return payload

    def get_userinfo(self, access_token: str, id_token: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Ask the provider about who logs in. Raises SuspiciousOperation when it answers about somebody else."""
        claims: dict[str, Any] = super().get_userinfo(access_token, id_token, payload)  # type: ignore[no-untyped-call]
        if claims.get("sub") != payload["sub"]:
            raise SuspiciousOperation("The provider answered about somebody else.")
        return claims

    def verify_claims(self, claims: dict[str, Any]) -> bool:
        """Take only an address that the provider has verified."""
        return bool(claims.get("email")) and claims.get("email_verified") is True

    def filter_users_by_claims(self, claims: dict[str, Any]) -> QuerySet[Operator]:
        """Find operators who may enter with this address; more than one is nobody."""
        verified = Operator.objects.filter(email_verified_at__isnull=False, is_active=True, is_staff=True)
        return verified.filter(email__iexact=claims["email"])

    def get_user(self, user_id: int) -> Operator | None:
        """Keep in only who may still enter."""
        found = Operator.objects.filter(pk=user_id).first()
        return found if found and found.may_enter else None


class ToProvider(OIDCAuthenticationRequestView):
    """Send the browser to the provider."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        _require_provider()
        return super().dispatch(request, *args, **kwargs)


class FromProvider(OIDCAuthenticationCallbackView):
    """Take the browser back, and say on the login page when that did not work."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        _require_provider()
        try:
            return super().dispatch(request, *args, **kwargs)
        except (SuspiciousOperation, RequestException, PyJWTError, ValueError) as error:
            log.warning("oidc_refused", error=type(error).__name__)
            return self.login_failure()

    def login_failure(self) -> HttpResponse:
        """Lead back to the login page."""
        messages.error(self.request, _("The log-in through the provider did not work, or you have no account here."))
        answer: HttpResponse = super().login_failure()  # type: ignore[no-untyped-call]
        return answer

    @property
    def failure_url(self) -> str:
        return reverse("admin:login")


def _require_provider() -> None:
    if not settings.MOREH_OIDC_ISSUER:
        raise Http404
