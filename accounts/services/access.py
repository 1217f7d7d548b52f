"""Access tokens of programs: made from id and password, hashed at rest, expiring, revocable."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.models import AccessToken, Operator
from accounts.queries import access_digest
from core.clock import db_now
from core.errors import NotFound, Unauthenticated
from events.actor import Actor
from events.services import record

USE_NOTED = timedelta(minutes=1)  # so seldom is a use written down, to keep reads free of writes


@dataclass(frozen=True, slots=True)
class Access:
    """The token itself, shown this one time, and when it ends."""

    value: str
    expires_at: datetime


@transaction.atomic
def open_access(operator: Operator, *, actor: Actor) -> Access:
    """Create an access token for an operator who has logged in."""
    AccessToken.objects.filter(user=operator, expiry__lte=db_now()).delete()
    made = _make(operator)
    record("OPEN_ACCESS", actor=actor, subject=f"operator/{operator.pk}")
    return made


@transaction.atomic
def renew_access(old: AccessToken, *, actor: Actor) -> Access:
    """Create another access token and end the old one. Raises Unauthenticated if it was ended first."""
    operator = old.user
    _end(old)
    made = _make(operator)
    record("RENEW_ACCESS", actor=actor, subject=f"operator/{operator.pk}")
    return made


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


def _make(operator: Operator) -> Access:
    value = secrets.token_hex(32)
    ends = db_now() + settings.MOREH_ACCESS_TOKEN_HOURS
    AccessToken.objects.create(digest=access_digest(value), user=operator, expiry=ends)
    return Access(value, ends)


def _end(old: AccessToken) -> None:
    if not AccessToken.objects.filter(pk=old.pk).delete()[0]:
        raise Unauthenticated
