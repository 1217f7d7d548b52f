from collections.abc import Iterable

from moreh_cloud.events.actor import Actor
from moreh_cloud.events.models import Event
from moreh_cloud.lib.clock import db_now


def new_event(action: str, *, actor: Actor, subject: str = "", token_id: int | None = None, **request: object) -> Event:
    """Make an event that `record_all` will store; keyword arguments are what was asked for, never secrets."""
    return Event(
        action=action,
        subject=subject,
        token_id=token_id,
        request=request,
        actor=actor.name[:150],
        referer_protocol=actor.protocol,
        referer_ip=actor.ip_address,
    )


def record(action: str, *, actor: Actor, subject: str = "", token_id: int | None = None, **request: object) -> None:
    """Add one event in the transaction of the change that it tells of."""
    record_all([new_event(action, actor=actor, subject=subject, token_id=token_id, **request)])


def record_all(events: Iterable[Event]) -> None:
    """Add events in bulk, all with the database's time of now."""
    rows = list(events)
    if not rows:
        return
    now = db_now()
    for event in rows:
        event.event_time = now
    Event.objects.bulk_create(rows, batch_size=1000)
