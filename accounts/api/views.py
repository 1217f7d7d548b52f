from collections.abc import Sequence
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.entry import Bearer, MayEnter
from accounts.api.operators import OperatorView
from accounts.api.serializers import AccessSerializer, Login, Nothing, OpenAccessSerializer, Which
from accounts.errors import FactorOwed, LockedOut
from accounts.login.lockout import is_locked_out, return_attempt, seconds_to_wait
from accounts.login.two_factor import require_code
from accounts.models import AccessToken, Operator
from accounts.queries import access_of
from accounts.services.access import Access, close_access, open_access, renew_access, revoke_access
from core.api.schema import reads, writes
from core.api.times import iso
from core.api.views import success
from core.clock import db_now
from core.errors import Unauthenticated
from events.actor import Actor


@extend_schema(tags=["auth"])
class AccessView(OperatorView):
    """Log-in and log-out."""

    authentication_classes = (Bearer,)
    permission_classes = (MayEnter,)

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Ignore an access token that has ended, so that it does not prevent the next log-in."""
        return [] if self._is_login() else super().get_authenticators()

    def get_permissions(self) -> Sequence[Any]:
        """Allow everybody to log in."""
        return [] if self._is_login() else super().get_permissions()

    def _is_login(self) -> bool:
        return getattr(self.request, "method", "") == "POST"

    @extend_schema(auth=[])
    @writes(Login, AccessSerializer)
    def create(self, request: Request) -> Response:
        """Log in: give an access token for `Authorization: Bearer`."""
        given = self.given(Login)
        code = given.pop("code", "")
        operator = authenticate(request._request, **given)
        if is_locked_out(request._request):
            raise Throttled(detail=_("Too many wrong passwords; try again later."), wait=seconds_to_wait())
        if not isinstance(operator, Operator):
            raise Unauthenticated(_("The id or the password is wrong."))
        actor = Actor(operator.get_username(), "rest", request.META.get("REMOTE_ADDR", ""))
        _require_factor(request, operator, code, actor)
        user_logged_in.send(Operator, request=request._request, user=operator)
        return _answer(open_access(operator, actor=actor))

    @writes(Nothing)
    def destroy(self, request: Request) -> Response:
        """End the access token that asks."""
        self.given(Nothing)
        close_access(_presented(request), actor=self.actor)
        return success()


@extend_schema(tags=["auth"])
class RefreshView(OperatorView):
    """Renewal of an access token."""

    repeatable = False
    authentication_classes = (Bearer,)
    permission_classes = (MayEnter,)

    @writes(Nothing, AccessSerializer)
    def create(self, request: Request) -> Response:
        """Return a new access token and end the one that asks."""
        self.given(Nothing)
        return _answer(renew_access(_presented(request), actor=self.actor))


@extend_schema(tags=["auth"])
class OwnAccessView(OperatorView):
    """The access tokens of the caller."""

    queryset = AccessToken.objects.none()
    filter_backends = ()
    permission_classes = (MayEnter,)

    @reads(OpenAccessSerializer)
    def list(self, request: Request) -> Response:
        """List one's own access tokens, without their values, oldest first."""
        rows = list(access_of(_operator(request), db_now()))
        return self.listed([_card(row, current=row == request.auth) for row in self.cut(rows)])

    @writes(Which)
    def destroy(self, request: Request) -> Response:
        """End one of one's own access tokens."""
        revoke_access(_operator(request), self.given(Which)["id"], actor=self.actor)
        return success()


def _require_factor(request: Request, operator: Operator, code: str, actor: Actor) -> None:
    """Take the code of an account that has a second factor. Raises WrongCode, Throttled, FactorOwed."""
    if operator.two_factor_at is not None:
        return_attempt(request._request, operator)  # the password was right
    try:
        require_code(request._request, operator, code, actor)
    except LockedOut as refusal:
        raise Throttled(detail=str(refusal), wait=seconds_to_wait()) from refusal
    if operator.owes_factor:
        raise FactorOwed


def _operator(request: Request) -> Operator:
    """Return who asks: nobody else came in."""
    assert isinstance(request.user, Operator)
    return request.user


def _card(row: AccessToken, *, current: bool) -> dict[str, Any]:
    return {
        "id": str(row.number),
        "createdAt": iso(row.created),
        "expiresAt": iso(row.expiry),
        "lastUsedAt": iso(row.last_used_at),
        "current": current,
    }


def _presented(request: Request) -> AccessToken:
    """Return the access token that the request came with: Bearer lets nobody in without one."""
    assert isinstance(request.auth, AccessToken)
    return request.auth


def _answer(access: Access) -> Response:
    return success({"access": access.value, "expiresAt": iso(access.expires_at)})
