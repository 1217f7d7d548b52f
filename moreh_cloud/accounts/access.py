"""Access tokens of programs: made from id and password, hashed at rest, expiring, revocable."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from moreh_cloud.accounts.models import AccessToken, Operator
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.errors import NotFound, Unauthenticated

USE_NOTED = timedelta(minutes=1)  # so seldom is a use written down, to keep reads free of writes


@dataclass(frozen=True, slots=True)
class Access:
    """The token itself, shown this one time, and when it ends."""

    value: str
    expires_at: datetime


@transaction.atomic
def open_access(operator: Operator, *, actor: Actor) -> Access:
    """Make an access token for an operator who has logged in."""
    AccessToken.objects.filter(user=operator, expiry__lte=db_now()).delete()
    row, value = AccessToken.objects.create(operator)  # type: ignore[no-untyped-call]
    record("OPEN_ACCESS", actor=actor, subject=f"operator/{operator.pk}")
    return Access(value, row.expiry)


@transaction.atomic
def renew_access(old: AccessToken, *, actor: Actor) -> Access:
    """Make another access token and end the old one. Raises Unauthenticated if somebody ended it first."""
    operator = old.user
    _end(old)
    row, value = AccessToken.objects.create(operator)  # type: ignore[no-untyped-call]
    record("RENEW_ACCESS", actor=actor, subject=f"operator/{operator.pk}")
    return Access(value, row.expiry)


@transaction.atomic
def close_access(old: AccessToken, *, actor: Actor) -> None:
    """End an access token. Raises Unauthenticated if it had ended."""
    _end(old)
    record("CLOSE_ACCESS", actor=actor, subject=f"operator/{old.user_id}")


@transaction.atomic
def revoke_access(operator: Operator, number: UUID, *, actor: Actor) -> None:
    """End one of an operator's access tokens. Raises NotFound for any other."""
    if not AccessToken.objects.filter(user=operator, number=number).delete()[0]:
        raise NotFound(id=str(number))
    record("REVOKE_ACCESS", actor=actor, subject=f"operator/{operator.pk}", id=str(number))


def end_all_access(operator: Operator, *, actor: Actor) -> None:
    """End all access tokens of an operator, in the transaction of what took the right to them away."""
    ended = AccessToken.objects.filter(user=operator).delete()[0]
    if ended:
        record("REVOKE_ACCESS", actor=actor, subject=f"operator/{operator.pk}", number=ended)


def note_use(row: AccessToken, now: datetime) -> None:
    """Write down that an access token is in use, at most once a minute."""
    if row.last_used_at is None or row.last_used_at <= now - USE_NOTED:
        unnoted = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_NOTED)
        AccessToken.objects.filter(unnoted, pk=row.pk).update(last_used_at=now)


def _end(old: AccessToken) -> None:
    if not AccessToken.objects.filter(pk=old.pk).delete()[0]:
        raise Unauthenticated
