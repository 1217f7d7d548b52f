import json
import os
import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from moreh_cloud.accounts.choices import Role
from moreh_cloud.accounts.models import Operator
from moreh_cloud.accounts.services import create_operator
from moreh_cloud.events.actor import SYSTEM
from moreh_cloud.fleet.seed import seed_fleet
from moreh_cloud.lib.errors import DomainError


class Command(BaseCommand):
    """Bring the database up to date, make the administrator and the simulated fleet; `up` runs this.

    The administrator is MOREH_ADMIN_USER with MOREH_ADMIN_PASSWORD, unless it exists: then it stays as it is.
    """

    help = "Migrate, make the first administrator and the simulated fleet. Twice is once."
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        call_command("migrate", verbosity=0, stdout=sys.stderr)
        username = os.environ.get("MOREH_ADMIN_USER") or "admin"
        try:
            made = _make_administrator(username)
            if settings.MOREH_DEMO_NODES:
                seed_fleet(settings.MOREH_DEMO_NODES, settings.MOREH_DATA_DIR)
        except DomainError as refusal:
            raise CommandError(f"{refusal} {refusal.details}") from refusal
        self.stdout.write(json.dumps({"username": username, "administrator": "made" if made else "kept"}))


def _make_administrator(username: str) -> bool:
    if Operator.objects.filter(username=username).exists():
        return False
    email, password = f"{username}@localhost.localdomain", os.environ.get("MOREH_ADMIN_PASSWORD", "")
    create_operator(username=username, email=email, password=password, role=Role.MASTER, actor=SYSTEM)
    return True
