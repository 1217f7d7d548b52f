"""Two-factor log-in: the session remembers who gave the right password until the code comes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_lazy

from accounts.errors import LockedOut, WrongCode
from accounts.login.lockout import count_code, is_locked_out, record_lockout, return_attempt
from accounts.models import Operator
from accounts.services.two_factor import use_code
from core.clock import db_now
from events.actor import Actor

AWAITED = "second_step"  # in sessions, also in those of older versions
TIMEOUT = timedelta(minutes=5)  # for finding one's telephone


def await_code(request: HttpRequest, operator: Operator, following: str) -> None:
    """Remember in the session who gave the right password and where they were going."""
    request.session.cycle_key()
    until = (db_now() + TIMEOUT).timestamp()
    seal = operator.get_session_auth_hash()
    request.session[AWAITED] = {"operator": operator.pk, "seal": seal, "until": until, "next": following}


def awaited(request: HttpRequest) -> Operator | None:
    """Return who gave the right password a moment ago and may still enter with it."""
    note = request.session.get(AWAITED)
    if not note or note["until"] < db_now().timestamp():
        return None
    found = Operator.objects.filter(pk=note["operator"]).first()
    if found is None or not found.may_enter or found.two_factor_at is None:
        return None
    return found if constant_time_compare(note["seal"], found.get_session_auth_hash()) else None


@contextmanager
def counted(request: HttpRequest, operator: Operator) -> Iterator[None]:
    """Count an attempt at a code before it is looked at; a right one is given back. Raises LockedOut."""
    if not count_code(request, operator):
        raise LockedOut
    try:
        yield
    except WrongCode:
        record_lockout(request, operator.get_username())
        if is_locked_out(request):
            raise LockedOut from None
        raise
    return_attempt(request, operator, code=True)


def require_code(request: HttpRequest, operator: Operator, code: str, actor: Actor) -> None:
    """Take the code of who logs in, if they have a second factor. Raises WrongCode, LockedOut."""
    if operator.two_factor_at is None:
        return
    if not code:
        raise WrongCode(gettext_lazy("This account has a second factor: its code is needed."), parameter="code")
    with counted(request, operator):
        use_code(operator, code, actor=actor)
