"""Lock-out after wrong passwords, by name and address together: a stranger locks only themselves out.

All attempts of an address count together as well, whatever the names, for a limit that is larger and a fixed window.
Each attempt is counted before its password is checked, so attempts at the same time cannot pass the limit (ADR 25).
"""

from datetime import datetime, timedelta
from math import ceil
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from accounts.models import AccessAttempt, Operator
from core import addresses
from core.clock import db_now
from events.actor import Actor
from events.services import record

ANY_NAME = "\0"  # what all attempts of an address are counted by; no typed name can be it
UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - an address for requests that came through a socket without one


def require_attempt(request: HttpRequest, name: str) -> None:
    """Use up one attempt at the password of a name. Raises PermissionDenied when none is left."""
    if not _count_attempt(request, name):
        _lock_out(request)
        raise PermissionDenied


def forget_attempts_here(request: HttpRequest, operator: Operator) -> None:
    """Delete the attempts of an operator who has logged in from this address."""
    _return_here(request)
    _attempts(operator.get_username()).filter(ip_address=site_of(request)).delete()
    _attempts(_codes_of(operator)).delete()


@transaction.atomic
def unlock_operator(operator: Operator, *, actor: Actor) -> int:
    """Allow an operator to log in again from every address; return how many addresses had tried."""
    forgotten = forget_attempts(operator)
    if forgotten:
        record("UNLOCK_OPERATOR", actor=actor, subject=f"operator/{operator.pk}", addresses=forgotten)
    return forgotten


def forget_attempts(operator: Operator) -> int:
    """Delete all attempts at an operator's password and of the addresses that tried; return the number of addresses."""
    _attempts(_codes_of(operator)).delete()
    tried_from = list(_attempts(operator.username).values_list("ip_address", flat=True))
    _attempts(ANY_NAME).filter(ip_address__in=tried_from).delete()
    count: int = _attempts(operator.username).delete()[0]
    return count


def count_code(request: HttpRequest, operator: Operator) -> bool:
    """Use up one attempt at a code, of the name from here and of the operator from everywhere; False if none is left.

    Whoever comes so far knows the password, so no stranger can lock anybody out everywhere.
    """
    here = _count_attempt(request, operator.get_username())
    return here and _count(_codes_of(operator), UNKNOWN_ADDRESS, db_now())


def count_here(request: HttpRequest) -> bool:
    """Use up one of all attempts of an address: at names, codes and links alike; False if none is left."""
    left = _count(ANY_NAME, site_of(request), db_now())
    request.counted_here = left  # type: ignore[attr-defined]
    return left


def return_attempt(request: HttpRequest, operator: Operator, *, code: bool = False) -> None:
    """Return the one attempt that a right password used up, or with `code` a right code."""
    return_attempt_of_name(request, operator.get_username())
    if code:
        _return(_codes_of(operator), UNKNOWN_ADDRESS)


def return_attempt_of_name(request: HttpRequest, name: str) -> None:
    """Undo the one attempt that this request counted."""
    _return_here(request)
    _return(name, site_of(request))


def record_lockout(request: HttpRequest, name: str) -> None:
    """Record, on the request and as an event, a lock-out if the attempts of the name or the address are used up."""
    if not (_used_up(name, site_of(request)) or _used_up(ANY_NAME, site_of(request))):
        return
    _lock_out(request)
    known = Operator.objects.filter(username=name).values_list("pk", flat=True).first()
    actor = Actor("stranger", "login", request.META.get("REMOTE_ADDR", ""))
    record("LOCK_OUT", actor=actor, subject=f"operator/{known}" if known else "")


def wrong_passwords(operator: Operator) -> QuerySet[AccessAttempt]:
    """Return the addresses that tried wrong passwords of an operator, latest first."""
    return _attempts(operator.username).order_by("-attempt_time")


def site_of(request: HttpRequest) -> str:
    """Return the address that attempts are counted by: an IPv4 address, or the network of an IPv6 one."""
    return addresses.site_of(request.META.get("REMOTE_ADDR", "")) or UNKNOWN_ADDRESS


def is_locked_out(request: HttpRequest) -> bool:
    """Whether an attempt to log in with this request was one too many."""
    return bool(getattr(request, "locked_out", False))


def seconds_to_wait() -> int:
    """Return after how many seconds without an attempt a lock-out ends."""
    return ceil(_window().total_seconds())


def _lock_out(request: HttpRequest) -> None:
    request.locked_out = True  # type: ignore[attr-defined]


def _count_attempt(request: HttpRequest, name: str) -> bool:
    """Use up one attempt of a name from here, and one of all from here; False when either is used up.

    An attempt at a name that is locked out uses up nothing: a program with an old password locks out itself alone.
    """
    here = site_of(request)
    return not _used_up(ANY_NAME, here) and _count(name, here, db_now()) and count_here(request)


def _count(name: str, address: str, now: datetime) -> bool:
    """Use up one attempt, in one statement that says who won; False when none is left."""
    key = {"username": _hidden(name), "ip_address": address, "user_agent": ""}
    rows = AccessAttempt.objects.filter(**key)
    row, made = AccessAttempt.objects.get_or_create(**key, defaults={"failures_since_start": 0})
    if made:
        AccessAttempt.objects.filter(attempt_time__lte=now - _window()).delete()
    if row.attempt_time <= now - _window():
        over = rows.filter(attempt_time__lte=now - _window())
        if over.update(failures_since_start=1, attempt_time=now):
            return True
    elif row.failures_since_start >= _limit(name):
        return False  # without a write: whoever is locked out may go on trying
    left = rows.filter(failures_since_start__lt=_limit(name))
    used: dict[str, Any] = {"failures_since_start": F("failures_since_start") + 1}
    # The window of an address does not move: with many people behind one there is always somebody who mistypes.
    return bool(left.update(**used) if name == ANY_NAME else left.update(**used, attempt_time=now))


def _return(name: str, address: str) -> None:
    counted = _attempts(name).filter(ip_address=address, failures_since_start__gt=0)
    counted.update(failures_since_start=F("failures_since_start") - 1)


def _return_here(request: HttpRequest) -> None:
    """Undo what this request counted against its address, once."""
    if getattr(request, "counted_here", False):
        request.counted_here = False  # type: ignore[attr-defined]
        _return(ANY_NAME, site_of(request))


def _used_up(name: str, address: str) -> bool:
    fresh = _attempts(name).filter(ip_address=address, attempt_time__gt=db_now() - _window())
    return fresh.filter(failures_since_start__gte=_limit(name)).exists()


def _codes_of(operator: Operator) -> str:
    """Return the name that wrong codes of an operator are counted by; no typed name can be it."""
    return f"\0{operator.pk}"


def _attempts(name: str) -> QuerySet[AccessAttempt]:
    return AccessAttempt.objects.filter(username=_hidden(name))


def _hidden(name: str) -> str:
    """Return what stands for a name: people type their password into the wrong field."""
    return salted_hmac("moreh.lockout", name, algorithm="sha256").hexdigest()


def _limit(name: str) -> int:
    return int(settings.MOREH_ADDRESS_ATTEMPTS if name == ANY_NAME else settings.MOREH_LOGIN_ATTEMPTS)


def _window() -> timedelta:
    wait: timedelta = settings.MOREH_LOCKOUT_SECONDS
    return wait
