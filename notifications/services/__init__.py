"""Verbs of notifications."""

from notifications.services.presets import set_up
from notifications.services.rules import create_rule, delete_rule, update_rule
from notifications.services.silences import create_silence, end_silence, update_silence

__all__ = [
    "create_rule",
    "create_silence",
    "delete_rule",
    "end_silence",
    "set_up",
    "update_rule",
    "update_silence",
]
