from collections.abc import Iterable
from typing import Any, NamedTuple

from core.bulk import insert_rows
from core.clock import db_now
from events.actor import Actor
from events.models import Event

COLUMNS = (
    "action",
    "subject",
    "token_id",
    "request",
    "response",
    "actor",
    "referer_protocol",
    "referer_ip",
    "event_time",
)
NO_RESPONSE: dict[str, Any] = {}


class NewEvent(NamedTuple):
    """An event to be stored; `request` is what was asked for, never a secret."""

    action: str
    subject: str
    token_id: int | None
    request: dict[str, Any]


def record(action: str, *, actor: Actor, subject: str = "", token_id: int | None = None, **request: object) -> None:
    """Add one event in the transaction of the change that it tells of; keyword arguments are what was asked for."""
    record_all([NewEvent(action, subject, token_id, request)], actor=actor)


def record_all(events: Iterable[NewEvent], *, actor: Actor) -> None:
    """Add events in bulk, all with the database's time of now."""
    record_each((event, actor) for event in events)


def record_each(events: Iterable[tuple[NewEvent, Actor]]) -> None:
    """Add events of several actors in bulk, all with the database's time of now."""
    now = db_now()
    rows = (
        (event.action, event.subject, event.token_id, _asked(event, actor), NO_RESPONSE, *_by(actor), now)
        for event, actor in events
    )
    insert_rows(Event, COLUMNS, rows)


def _by(actor: Actor) -> tuple[str, str, str]:
    return actor.name[:150], actor.protocol, actor.ip_address


def _asked(event: NewEvent, actor: Actor) -> dict[str, Any]:
    return {**event.request, "bulk": actor.bulk} if actor.bulk else event.request
