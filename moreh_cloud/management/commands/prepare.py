import json
import os
import sys
from typing import Any

import redis
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from moreh_cloud.accounts.choices import Role
from moreh_cloud.accounts.models import Operator
from moreh_cloud.accounts.services import create_operator
from moreh_cloud.events.actor import SYSTEM
from moreh_cloud.fleet.seed import seed_fleet
from moreh_cloud.lib.errors import InvalidParameter

SETTINGS = {"username": "MOREH_ADMIN_USER", "password": "MOREH_ADMIN_PASSWORD", "email": "MOREH_ADMIN_USER"}


class Command(BaseCommand):
    """Bring the database up to date, make the administrator and the simulated fleet; `up` runs this.

    The administrator is MOREH_ADMIN_USER with MOREH_ADMIN_PASSWORD, unless it exists: then it stays as it is.
    """

    help = "Migrate, make the first administrator and the simulated fleet. Twice is once."
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        _require_broker()
        _migrate()
        username = os.environ.get("MOREH_ADMIN_USER") or "admin"
        made = _make_administrator(username)
        if settings.MOREH_DEMO_NODES:
            seed_fleet(settings.MOREH_DEMO_NODES, settings.MOREH_DATA_DIR)
        self.stdout.write(json.dumps({"username": username, "administrator": "made" if made else "kept"}))


def _require_broker() -> None:
    """Say at once that a broker elsewhere is not there; our own is only being started."""
    if not os.environ.get("REDIS_URL"):
        return
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=5) as client:
            client.ping()
    except redis.RedisError as error:
        raise CommandError(f"The broker cannot be used ({error}). Look at REDIS_URL.") from error


def _migrate() -> None:
    try:
        call_command("migrate", verbosity=0, stdout=sys.stderr)
    except OperationalError as error:
        setting = "DATABASE_URL" if os.environ.get("DATABASE_URL") else "MOREH_DATA_DIR"
        raise CommandError(f"The database cannot be used ({error}). Look at {setting}.") from error


def _make_administrator(username: str) -> bool:
    if Operator.objects.filter(username=username).exists():
        return False
    email = username if "@" in username else f"{username}@localhost.localdomain"
    password = os.environ.get("MOREH_ADMIN_PASSWORD", "")
    try:
        create_operator(username=username, email=email, password=password, role=Role.MASTER, actor=SYSTEM)
    except InvalidParameter as refusal:
        raise CommandError(_in_words(refusal)) from refusal
    return True


def _in_words(refusal: InvalidParameter) -> str:
    for field, setting in SETTINGS.items():
        problems = refusal.details.get(field)
        if isinstance(problems, list):
            return f"{setting} cannot be used: {' '.join(problems)}"
    return str(refusal)
