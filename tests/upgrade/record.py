"""Record what a version has stored, for the test of upgrades from it: run this on that version.

    MOREH_DATA_DIR=$(mktemp -d) python -m tests.upgrade.record > tests/upgrade/VERSION.json

The file holds the applied migrations, every row by model, and what it has given out: a session and the names of
tasks.
Its secrets are made for it and open nothing.
"""

import json
import os
import sys

SECRETS = {
    "MOREH_SECRET_KEY": "of-a-recorded-installation-which-never-existed",
    "MOREH_ENCRYPTION_KEYS": "cmVjb3JkZWQtZm9yLXRoZS10ZXN0LW9mLXVwZ3JhZGU=",
}


def main() -> None:
    """Make an installation, use it, and print it."""
    os.environ.update(SECRETS, DJANGO_SETTINGS_MODULE="moreh_cloud.settings")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    given_out = _use()
    json.dump({"migrations": _migrations(), "rows": _rows(), **given_out}, sys.stdout, indent=1, ensure_ascii=False)


def _use() -> dict[str, object]:
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY
    from django.test import Client

    from tests import make

    operator = make.operator()
    browser = Client()
    browser.force_login(operator, settings.AUTHENTICATION_BACKENDS[-1])
    node = make.ready_backend(4)
    make.running_job(node, 2)
    make.job(make.sda(4), 4)
    session = browser.session
    return {
        "session": {"key": session.session_key, "backend": session[BACKEND_SESSION_KEY], "operator": operator.pk},
        "tasks": _tasks(),
    }


def _tasks() -> list[str]:
    from moreh_cloud.celery import app

    app.loader.import_default_modules()
    return sorted(name for name in app.tasks if not name.startswith("celery."))


def _migrations() -> list[list[str]]:
    from django.db.migrations.recorder import MigrationRecorder

    return [list(pair) for pair in MigrationRecorder.Migration.objects.order_by("id").values_list("app", "name")]


def _rows() -> list[object]:
    from django.apps import apps
    from django.core import serializers

    models = [model for model in apps.get_models() if model._meta.managed and not model._meta.proxy]
    return [
        row
        for model in serializers.sort_dependencies([(config, None) for config in apps.get_app_configs()])
        if model in models
        for row in json.loads(serializers.serialize("json", model._base_manager.order_by("pk")))
    ]


if __name__ == "__main__":
    main()
