"""Silences: created, changed and ended by operators."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from alerts.subjects import SOURCES, Subject, describe
from core.clock import db_now
from core.errors import Conflict, InvalidParameter, NotFound
from core.texts import cleaned, require_row
from events.actor import Actor
from events.services import record
from notifications.models import Silence
from notifications.services.rules import match_problems, named, set_match

LONGEST = timedelta(days=366)
PLAIN = ("categories", "least_level")
SETS = ("groups", "tags", "tokens")


@transaction.atomic
def create_silence(
    *,
    ends_at: datetime,
    comment: str,
    actor: Actor,
    starts_at: datetime | None = None,
    subject: Subject | None = None,
    **fields: Any,
) -> Silence:
    """Silence alerts for a time; without `starts_at`, or if that is past, from now on.

    Raises InvalidParameter, NotFound.
    """
    now = db_now()
    silence = Silence(
        starts_at=max(now, starts_at or now),
        ends_at=ends_at,
        comment=comment.strip(),
        actor=actor.name[:150],
        created_at=now,
        **{name: value for name, value in fields.items() if name in PLAIN},
    )
    if subject:
        silence.subject_kind, silence.subject_id = subject
        silence.subject_name = _name_of(subject)
    if not subject and not any(fields.get(name) for name in ("categories", *SETS)):
        raise InvalidParameter(
            _("Say which alerts: a silence without a condition would hide all."), parameter="categories"
        )
    _require(silence, now)
    silence.save(force_insert=True)
    set_match(silence, fields, SETS)
    _record("CREATE_SILENCE", silence, actor, fields)
    return silence


@transaction.atomic
def update_silence(
    silence: Silence, *, actor: Actor, ends_at: datetime | None = None, comment: str | None = None
) -> Silence:
    """Change until when a silence lasts, or its comment.

    Raises Conflict when it has ended, InvalidParameter, NotFound.
    """
    locked, now = _lasting(silence)
    locked.ends_at = locked.ends_at if ends_at is None else ends_at
    locked.comment = locked.comment if comment is None else comment.strip()
    _require(locked, now)
    locked.save(update_fields=["ends_at", "comment"])
    _record("UPDATE_SILENCE", locked, actor, {})
    return locked


@transaction.atomic
def end_silence(silence: Silence, *, actor: Actor) -> Silence:
    """End a silence now, or cancel it before it has begun. Raises Conflict when it has ended, NotFound."""
    locked, now = _lasting(silence)
    locked.starts_at, locked.ends_at = min(locked.starts_at, now), now
    locked.save(update_fields=["starts_at", "ends_at"])
    _record("END_SILENCE", locked, actor, {})
    return locked


def subject_of(silence: Silence) -> str:
    """Return what events call a silence."""
    return f"silence/{silence.pk}"


def _name_of(subject: Subject) -> str:
    """Return the name of a thing. Raises NotFound if there is no such thing."""
    facts = describe([subject]).get(subject)
    if facts is None and subject.kind in SOURCES:
        raise NotFound(about=str(subject))
    return cleaned(facts.title, 256) if facts else ""


def _lasting(silence: Silence) -> tuple[Silence, datetime]:
    locked, now = Silence.objects.select_for_update().filter(pk=silence.pk).first(), db_now()
    if locked is None:
        raise NotFound(id=silence.pk)
    if locked.ends_at <= now:
        raise Conflict(_("It has ended."), id=silence.pk)
    return locked, now


def _require(silence: Silence, now: datetime) -> None:
    if not silence.comment:
        raise InvalidParameter(_("Say why."), parameter="comment")
    require_row(silence, only={"comment", *PLAIN})
    if silence.ends_at <= max(now, silence.starts_at):
        raise InvalidParameter(_("It must be later than now and than the beginning."), parameter="to")
    if silence.ends_at - now > LONGEST:
        raise InvalidParameter(_("It is more than 366 days from now."), parameter="to")
    if problems := match_problems(silence, PLAIN):
        raise InvalidParameter(_("A value is not valid."), **problems)


def _record(action: str, silence: Silence, actor: Actor, fields: Mapping[str, Any]) -> None:
    details: dict[str, Any] = {"from": silence.starts_at.isoformat(), "to": silence.ends_at.isoformat()}
    details["comment"] = silence.comment
    if silence.subject:
        details["about"] = str(silence.subject)
    sets = {name: sorted(row.pk for row in fields[name]) for name in SETS if fields.get(name)}
    plain = {name: fields[name] for name in PLAIN if name in fields}
    record(action, actor=actor, subject=subject_of(silence), **details, **named({**plain, **sets}))
