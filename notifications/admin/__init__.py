"""The admin of notifications."""

from notifications.admin import rules, silences  # noqa: F401 - registers them
