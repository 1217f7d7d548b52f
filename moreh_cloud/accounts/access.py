"""Access tokens of programs: made from id and password, hashed at rest, expiring, revocable."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from knox.models import AuthToken

from moreh_cloud.accounts.models import Operator
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.errors import Unauthenticated


@dataclass(frozen=True, slots=True)
class Access:
    """The token itself, shown this one time, and when it ends."""

    value: str
    expires_at: datetime


@transaction.atomic
def open_access(operator: Operator, *, actor: Actor) -> Access:
    """Make an access token for an operator who has logged in."""
    row, value = AuthToken.objects.create(operator)  # type: ignore[no-untyped-call]
    record("OPEN_ACCESS", actor=actor, subject=f"operator/{operator.pk}")
    return Access(value, row.expiry)


@transaction.atomic
def renew_access(old: AuthToken, *, actor: Actor) -> Access:
    """Make another access token and end the old one. Raises Unauthenticated if somebody ended it first."""
    operator = old.user
    _end(old)
    row, value = AuthToken.objects.create(operator)  # type: ignore[no-untyped-call]
    record("RENEW_ACCESS", actor=actor, subject=f"operator/{operator.pk}")
    return Access(value, row.expiry)


@transaction.atomic
def close_access(old: AuthToken, *, actor: Actor) -> None:
    """End an access token. Raises Unauthenticated if it had ended."""
    _end(old)
    record("CLOSE_ACCESS", actor=actor, subject=f"operator/{old.user_id}")


def _end(old: AuthToken) -> None:
    if not AuthToken.objects.filter(pk=old.pk).delete()[0]:
        raise Unauthenticated
