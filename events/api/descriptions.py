"""Descriptions of the fields of events in REST."""

from core.api.description.words import AT, describe

describe(
    words={
        "action": ("What was done.", "CREATE_SDA"),
        "actor": ("Who did it.", "kim"),
        "eventTime": ("When it happened.", AT),
        "from": ("Events of then or later.", "2026-11-23T00:00:00Z"),
        "request": ("JSON: what was asked, secrets masked.", '{"model": "Large.4"}'),
        "response": ("JSON, always an empty object: what was answered is not recorded.", "{}"),
        "subject": ("What it is about.", "sda 7"),
        "to": ("Events of then or earlier.", "2026-11-24T00:00:00Z"),
    },
    tags={
        "log": "Events: every change, by whom.",
    },
)
