"""Who comes in through REST, and what the role lets them do there."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext_lazy as _
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from moreh_cloud.accounts.access import note_use
from moreh_cloud.accounts.choices import Role
from moreh_cloud.accounts.errors import FactorOwed
from moreh_cloud.accounts.models import AccessToken, Operator
from moreh_cloud.accounts.queries import live_access
from moreh_cloud.events.actor import Actor
from moreh_cloud.lib.clock import db_now

WRITERS = (Role.MASTER, Role.GENERAL)


class Bearer(TokenAuthentication):
    """`Authorization: Bearer <access>`."""

    def authenticate_credentials(self, token: bytes) -> tuple[Operator, AccessToken]:
        """Find who presents an access token; knox would read all tokens of theirs. Raises AuthenticationFailed."""
        now = db_now()
        found = live_access(token.decode("latin-1"), now)
        if found is None or not found.user.may_enter:
            raise AuthenticationFailed(_("The access token is not valid, or has ended."))
        if found.user.owes_factor:  # the setting came after the token
            raise FactorOwed
        note_use(found, now)
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme."""
        return "Bearer"


class MayEnter(BasePermission):
    """Operators who are active, staff and have a verified e-mail address."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Judge by the account."""
        return isinstance(request.user, Operator) and request.user.may_enter


class RoleAllows(MayEnter):
    """Every operator who may enter looks; Masters and Generals write."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Judge by the method and the role."""
        if not super().has_permission(request, view):
            return False
        return request.method in SAFE_METHODS or writes(request.user)


def actor_of(request: Request) -> Actor:
    """Give who asks, for the event log."""
    return Actor(request.user.get_username(), "rest", request.META.get("REMOTE_ADDR", ""))


def writes(user: Operator | AnonymousUser) -> bool:
    """Tell whether somebody may write, and see token values in full."""
    return isinstance(user, Operator) and user.role in WRITERS
