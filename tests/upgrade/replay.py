"""Make the recorded installation again, migrate it, use it, and print what was seen: run with a database of its own."""

import json
import os
import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from tests.upgrade import gone
from tests.upgrade.record import SECRETS


def main(recorded: dict[str, Any]) -> dict[str, Any]:
    """Return what a new version makes of what an old one has stored."""
    os.environ.update(SECRETS, DJANGO_SETTINGS_MODULE="moreh_cloud.settings")
    import django
    from django.core.management import call_command

    django.setup()
    _load(recorded)
    call_command("migrate", verbosity=0)
    return {**_kept(recorded), **_used(recorded), **gone.used()}


def _load(recorded: dict[str, Any]) -> None:
    """Migrate to where the old version was, and write its rows as they were."""
    from django.db import connection, transaction
    from django.db.migrations.executor import MigrationExecutor

    if connection.vendor == "postgresql":  # it is a copy that has the tables of now
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE")
            cursor.execute("CREATE SCHEMA public")
    targets = [(app, name) for app, name in recorded["migrations"] if app not in gone.GONE]
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    old = MigrationExecutor(connection).loader.project_state(targets).apps
    with transaction.atomic():
        for row in recorded["rows"]:
            _write(old.get_model(row["model"]), row)
        gone.leave(recorded, old)
        _reset_sequences(old.get_models())


def _write(model: Any, row: dict[str, Any]) -> None:
    fields = [model._meta.get_field(name) for name in row["fields"]]
    values = {field.attname: _value(field, row["fields"][field.name]) for field in fields if not field.many_to_many}
    model(pk=row["pk"], **values).save_base(raw=True)


def _value(field: Any, text: Any) -> Any:
    return text if field.remote_field else field.to_python(text)


def _reset_sequences(models: Iterable[Any]) -> None:
    """Let the ids of PostgreSQL go on behind those that were written; Django's own statements fail at an id of 0."""
    from django.core.management.color import no_style
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(models)):
            cursor.execute(statement.replace("coalesce(max(", "greatest(1, max(").replace("), 1)", "))"))


def _kept(recorded: dict[str, Any]) -> dict[str, Any]:
    """What must be as it was: content types, permissions, secrets, and the tasks that messages in flight name."""
    from django.contrib.auth.models import Permission
    from django.contrib.contenttypes.models import ContentType

    from moreh_cloud.celery import app
    from tokens.models import Token

    rows: dict[str, list[dict[str, Any]]] = {}
    for row in recorded["rows"]:
        rows.setdefault(row["model"], []).append(row)
    app.loader.import_default_modules()
    types = {
        (row["pk"], row["fields"]["app_label"], row["fields"]["model"]) for row in rows["contenttypes.contenttype"]
    }
    rights = {(row["pk"], row["fields"]["content_type"], row["fields"]["codename"]) for row in rows["auth.permission"]}
    tokens = {(row["pk"], row["fields"]["value"]) for row in rows["tokens.token"]}
    return {
        "lost content types": sorted(types - set(ContentType.objects.values_list("pk", "app_label", "model"))),
        "lost permissions": sorted(rights - set(Permission.objects.values_list("pk", "content_type", "codename"))),
        "lost tokens": sorted(tokens - {(token.pk, str(token.value)) for token in Token.objects.all()}),
        "unknown tasks": sorted(set(recorded["tasks"]) - set(app.tasks)),
    }


def _used(recorded: dict[str, Any]) -> dict[str, Any]:
    """What works: the session and links of mails that the old version gave out, and its jobs."""
    from django.contrib.auth.tokens import PasswordResetTokenGenerator
    from django.contrib.sessions.models import Session
    from django.core.management import call_command
    from django.test import Client

    from accounts.choices import Letter
    from accounts.models import Operator
    from backends.models import Backend
    from core.clock import db_now
    from scheduler.models import Job
    from scheduler.reconcile import reconcile
    from scheduler.services.jobs import finish_job
    from tests import make

    operator = Operator.objects.get(pk=recorded["session"]["operator"])
    Session.objects.update(expire_date=db_now() + timedelta(hours=1))
    browser = Client(SERVER_NAME="localhost")
    browser.cookies["sessionid"] = recorded["session"]["key"]
    page = browser.get("/admin/login/")  # which sends on whoever is logged in
    links = {letter: _old_link(PasswordResetTokenGenerator, letter, operator) for letter in Letter}
    repaired = reconcile()
    running = Job.objects.earliest("pk")
    finish_job(running, exit_code=0, actor=make.ACTOR)
    call_command("prove", stdout=sys.stderr)
    return {
        "page": (page.status_code, page.headers.get("Location")),
        "links": sorted(letter for letter, good in links.items() if good),
        "repaired": [finding.wrong for finding in repaired],
        "jobs": list(Job.objects.order_by("pk").values_list("status", flat=True)),
        "devices": make.statuses(Backend.objects.get()),
    }


def _old_link(generator: Any, letter: Any, operator: Any) -> bool:
    """Whether a link is good that was signed as version 0.1.0 signed it."""
    from accounts.login.links import read_link

    class Seal(generator):
        key_salt = f"moreh_cloud.accounts.{letter}"

        def _make_hash_value(self, user: Any, timestamp: int) -> str:
            return f"{super()._make_hash_value(user, timestamp)}{user.email_verified_at}{user.is_active}"

    return bool(read_link(letter, f"{operator.pk}.{Seal().make_token(operator)}") == operator)


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
