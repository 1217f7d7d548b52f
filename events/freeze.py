"""The event log is append-only: the database refuses to change, replace or delete an event."""

from core.frozen import FrozenTable

FROZEN = (
    FrozenTable(
        "events_event",
        "an event never changes",
        {"UPDATE": "true", "DELETE": "true", "TRUNCATE": "EXISTS (SELECT FROM {schema}events_event)"},
        on_sqlite={"INSERT": "EXISTS (SELECT 1 FROM events_event WHERE id = NEW.id)"},
    ),
)
