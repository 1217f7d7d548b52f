import json
import os
import sys
from typing import Any

import redis
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser

from accounts.choices import Role
from accounts.queries import is_operator
from accounts.services.operators import create_operator
from core.commands import BaseCommand, read_secret
from core.errors import DomainError
from events.actor import SYSTEM
from fleet.seed import seed_fleet

SETTINGS = {"username": "MOREH_ADMIN_USER", "password": "MOREH_ADMIN_PASSWORD", "email": "MOREH_ADMIN_USER"}


class Command(BaseCommand):
    """Bring the database up to date, make the administrator and the simulated fleet; `up` runs this.

    The administrator is MOREH_ADMIN_USER with MOREH_ADMIN_PASSWORD, unless it exists: then it stays as it is.
    """

    help = "Migrate, make the first administrator and the simulated fleet. Twice is once."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--password-stdin", action="store_true", help="read the password from standard input, not the environment"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        password = os.environ.get("MOREH_ADMIN_PASSWORD", "")
        if options["password_stdin"]:
            password = read_secret(sys.stdin.read)
        _require_broker()
        call_command("migrate", verbosity=0, stdout=sys.stderr)
        username = os.environ.get("MOREH_ADMIN_USER") or "admin"
        made = _make_administrator(username, password)
        if settings.MOREH_DEMO_NODES:
            seed_fleet(settings.MOREH_DEMO_NODES, settings.MOREH_DATA_DIR)
        self.stdout.write(json.dumps({"username": username, "administrator": "made" if made else "kept"}))


def _require_broker() -> None:
    """Fail at once when an external broker is not there; our own is only being started."""
    if not os.environ.get("REDIS_URL"):
        return
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=5) as client:
            client.set("moreh:check", 1, px=1000)
    except (redis.RedisError, ValueError) as error:  # a parameter of the URL that redis cannot read
        raise CommandError(f"The broker cannot be used ({error}). Look at REDIS_URL.") from error


def _make_administrator(username: str, password: str) -> bool:
    if is_operator(username):
        return False
    email = username if "@" in username else f"{username}@localhost.localdomain"
    try:
        create_operator(username=username, email=email, password=password, role=Role.MASTER, actor=SYSTEM)
    except DomainError as refusal:
        raise CommandError(_in_words(refusal)) from refusal
    return True


def _in_words(refusal: DomainError) -> str:
    for field, setting in SETTINGS.items():
        problems = refusal.details.get(field)
        if isinstance(problems, list):
            return f"{setting} cannot be used: {' '.join(map(str, problems))}"
    return str(refusal)
