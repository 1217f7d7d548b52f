from collections.abc import Iterable
from typing import Any, NamedTuple

from moreh_cloud.events.actor import Actor
from moreh_cloud.events.models import Event
from moreh_cloud.lib.bulk import insert_rows
from moreh_cloud.lib.clock import db_now

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
    now = db_now()
    by = (actor.name[:150], actor.protocol, actor.ip_address)
    rows = (
        (event.action, event.subject, event.token_id, _asked(event, actor), NO_RESPONSE, *by, now) for event in events
    )
    insert_rows(Event, COLUMNS, rows)


def _asked(event: NewEvent, actor: Actor) -> dict[str, Any]:
    return {**event.request, "bulk": actor.bulk} if actor.bulk else event.request
