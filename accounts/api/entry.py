"""Authentication and permissions in REST."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.api.refusals import refusals
from accounts.choices import Role
from accounts.errors import FactorOwed
from accounts.login.lockout import site_of
from accounts.models import AccessToken, Operator
from accounts.queries import live_access
from accounts.services.access import note_use
from core.clock import db_now
from events.actor import Actor

WRITERS = (Role.MASTER, Role.GENERAL)


class Bearer(BaseAuthentication):
    """`Authorization: Bearer <access>`."""

    def authenticate(self, request: Request) -> tuple[Operator, AccessToken] | None:
        """Return operator and token of a request, or None. Raises AuthenticationFailed, Throttled, FactorOwed."""
        value = presented(request)
        site = site_of(request)
        if value:
            refusals.require_space(site, value)
        try:
            entered = self._enter(request)
        except AuthenticationFailed:
            refusals.note_wrong(site)
            raise
        if entered is not None:
            refusals.note_good(value)
        return entered

    def _enter(self, request: Request) -> tuple[Operator, AccessToken] | None:
        """Return who presents an access token, None for another scheme. Raises AuthenticationFailed, FactorOwed."""
        scheme, *words = get_authorization_header(request).split() or [b""]
        if scheme.lower() != b"bearer":
            return None
        if len(words) != 1:
            raise AuthenticationFailed(_("The header Authorization must be Bearer and one access token."))
        now = db_now()
        found = live_access(words[0].decode("latin-1"), now)
        if found is None or not found.user.may_enter:
            raise AuthenticationFailed(_("The access token is not valid, or has ended."))
        if found.user.owes_factor:  # the setting came after the token
            raise FactorOwed
        note_use(found, now)
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        """Return the scheme for `WWW-Authenticate`."""
        return "Bearer"


class MayEnter(BasePermission):
    """Operators who are active, staff and have a verified e-mail address."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the account may enter."""
        return isinstance(request.user, Operator) and request.user.may_enter


class RoleAllows(MayEnter):
    """Every operator who may enter can read; Masters and Generals can write."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the role allows the method."""
        if not super().has_permission(request, view):
            return False
        return request.method in SAFE_METHODS or writes(request.user)


def presented(request: Request) -> str:
    """Return the access token that a request presents; "" without one."""
    scheme, _blank, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def actor_of(request: Request) -> Actor:
    """Return the operator of a request, for the event log."""
    return Actor(request.user.get_username(), "rest", request.META.get("REMOTE_ADDR", ""))


def writes(user: Operator | AnonymousUser) -> bool:
    """Whether somebody may write, and see token values in full."""
    return isinstance(user, Operator) and user.role in WRITERS
