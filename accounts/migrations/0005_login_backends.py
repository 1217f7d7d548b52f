from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import migrations

MOVED = {
    "moreh_cloud.accounts.login.OperatorBackend": "accounts.login.backends.OperatorBackend",
    "moreh_cloud.accounts.oidc.OidcBackend": "accounts.login.oidc.OidcBackend",
}


def move(apps: Any, paths: dict[str, str]) -> None:
    """Write the new path of the log-in backend into every session."""
    store, sessions = SessionStore(), apps.get_model("sessions", "Session").objects
    for key, stored in list(sessions.values_list("pk", "session_data")):
        data = store.decode(stored)
        if data.get(BACKEND_SESSION_KEY) not in paths:
            continue
        data[BACKEND_SESSION_KEY] = paths[data[BACKEND_SESSION_KEY]]
        # A session that somebody has written since is left alone: who is logged out logs in again.
        sessions.filter(pk=key, session_data=stored).update(session_data=store.encode(data))


def forwards(apps: Any, _schema: Any) -> None:
    move(apps, MOVED)


def backwards(apps: Any, _schema: Any) -> None:
    move(apps, {new: old for old, new in MOVED.items()})


class Migration(migrations.Migration):
    """Sessions store the path of the class that let their operator in; a path that is no setting logs them out."""

    dependencies = [
        ("accounts", "0004_second_factor"),
        ("sessions", "0001_initial"),
    ]

    operations = [
        migrations.RunPython(forwards, backwards),
    ]
