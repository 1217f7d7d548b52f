"""Lock-out after wrong passwords, by name and address together: a stranger locks only themselves out.

django-axes keeps the rows and stands in the way; it counts a failure after the password was looked at, so that many
attempts at once pass its limit together. Here each attempt is counted before.
"""

from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from typing import Any

from axes.handlers.base import AxesHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

from moreh_cloud.accounts.models import Operator
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.clock import db_now

IPV6_SITE = 64  # bits; whoever has one IPv6 address mostly has all that share these
UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - an address for requests that came through a socket without one


class CountFirst(AxesHandler):
    """Count an attempt, then let its password be looked at; a success gives all attempts back."""

    def is_locked(self, request: Any, credentials: dict[str, Any] | None = None) -> bool:
        """Count this attempt; tell whether it is one too many. Other ways to log in name nobody."""
        name = (credentials or {}).get("username")
        if not name:
            return False
        if _count(name, request.axes_ip_address, request.axes_attempt_time):
            return False
        request.axes_locked_out = True
        return True

    def user_login_failed(  # the arguments are those of Django's signal
        self,
        sender: Any,  # noqa: ARG002
        credentials: dict[str, Any],
        request: Any = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Tell of a lock-out when the last attempt is used up."""
        name = credentials.get("username")
        if request is None or not name or request.axes_locked_out:
            return
        tell_when_used_up(request, name)

    def user_logged_in(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Forget the attempts of who has logged in."""
        _attempts(user.get_username()).filter(ip_address=site_of(request)).delete()
        _attempts(_codes_of(user)).delete()

    def post_save_access_attempt(self, _instance: AccessAttempt, **_more: Any) -> None:
        """Do nothing."""

    def post_delete_access_attempt(self, _instance: AccessAttempt, **_more: Any) -> None:
        """Do nothing."""


@transaction.atomic
def unlock_operator(operator: Operator, *, actor: Actor) -> int:
    """Let an operator try again from every address at once; gives how many addresses had tried."""
    forgotten = forget_attempts(operator)
    record("UNLOCK_OPERATOR", actor=actor, subject=f"operator/{operator.pk}", addresses=forgotten)
    return forgotten


def forget_attempts(operator: Operator) -> int:
    """Forget all attempts at an operator's password; gives from how many addresses they came."""
    _attempts(_codes_of(operator)).delete()
    count: int = _attempts(operator.username).delete()[0]
    return count


def count_code(request: HttpRequest, operator: Operator) -> bool:
    """Use up one attempt at a code, of the name from here and of the operator from everywhere; False if none is left.

    Whoever comes so far knows the password, so no stranger can lock anybody out everywhere.
    """
    now = db_now()
    here = _count(operator.get_username(), site_of(request), now)
    return here and _count(_codes_of(operator), UNKNOWN_ADDRESS, now)


def give_back(request: HttpRequest, operator: Operator, *, code: bool = False) -> None:
    """Give back the one attempt that a right password used up, or with `code` a right code."""
    _give_back(operator.get_username(), site_of(request))
    if code:
        _give_back(_codes_of(operator), UNKNOWN_ADDRESS)


def tell_when_used_up(request: HttpRequest, name: str) -> None:
    """Note on the request, and in an event, that the last attempt of a name from here is used up."""
    if not _used_up(name, site_of(request)):
        return
    request.axes_locked_out = True  # type: ignore[attr-defined]
    known = Operator.objects.filter(username=name).values_list("pk", flat=True).first()
    actor = Actor("stranger", "login", request.META.get("REMOTE_ADDR", ""))
    record("LOCK_OUT", actor=actor, subject=f"operator/{known}" if known else "")


def wrong_passwords(operator: Operator) -> QuerySet[AccessAttempt]:
    """Give the addresses that tried wrong passwords of an operator, latest first."""
    return _attempts(operator.username).order_by("-attempt_time")


def site_of(request: HttpRequest) -> str:
    """Give the address that attempts are counted by: AXES_CLIENT_IP_CALLABLE."""
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return UNKNOWN_ADDRESS
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((address, IPV6_SITE), strict=False).network_address)
    return str(address)


def is_locked_out(request: HttpRequest) -> bool:
    """Tell whether an attempt to log in with this request was one too many."""
    return bool(getattr(request, "axes_locked_out", False))


def seconds_to_wait() -> int:
    """Give after how many seconds without an attempt a lock-out ends."""
    return ceil(_patience().total_seconds())


def answer_locked_out(_request: HttpRequest, response: HttpResponse, _credentials: Any) -> HttpResponse:
    """Give the answer that says so the status that fits: AXES_LOCKOUT_CALLABLE."""
    response.status_code = 429
    response["Retry-After"] = str(seconds_to_wait())
    return response


def _count(name: str, address: str, now: datetime) -> bool:
    """Use up one attempt, in one statement that says who won; False when none is left."""
    key = {"username": _hidden(name), "ip_address": address, "user_agent": ""}
    rows = AccessAttempt.objects.filter(**key)
    if AccessAttempt.objects.get_or_create(**key, defaults={"failures_since_start": 0})[1]:
        AccessAttempt.objects.filter(attempt_time__lte=now - _patience()).delete()
    if rows.filter(attempt_time__lte=now - _patience()).update(failures_since_start=1, attempt_time=now):
        return True
    left = rows.filter(failures_since_start__lt=_limit())
    return bool(left.update(failures_since_start=F("failures_since_start") + 1, attempt_time=now))


def _give_back(name: str, address: str) -> None:
    counted = _attempts(name).filter(ip_address=address, failures_since_start__gt=0)
    counted.update(failures_since_start=F("failures_since_start") - 1)


def _used_up(name: str, address: str) -> bool:
    return _attempts(name).filter(ip_address=address, failures_since_start__gte=_limit()).exists()


def _codes_of(operator: Operator) -> str:
    """Give the name that wrong codes of an operator are counted by; no typed name can be it."""
    return f"\0{operator.pk}"


def _attempts(name: str) -> QuerySet[AccessAttempt]:
    return AccessAttempt.objects.filter(username=_hidden(name))


def _hidden(name: str) -> str:
    """Give what stands for a name: people type their password into the wrong field."""
    return salted_hmac("moreh.lockout", name, algorithm="sha256").hexdigest()


def _limit() -> int:
    return int(settings.AXES_FAILURE_LIMIT)


def _patience() -> timedelta:
    wait: timedelta = settings.AXES_COOLOFF_TIME
    return wait
