import getpass
import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from moreh_cloud.accounts.choices import Role
from moreh_cloud.accounts.models import Operator
from moreh_cloud.accounts.services import create_operator, update_operator
from moreh_cloud.events.actor import Actor
from moreh_cloud.lib.errors import DomainError

SHELL = Actor("system", "shell")


class Command(BaseCommand):
    """Make an operator once; a second call only gives the password anew if it is another one.

    The password comes from MOREH_ADMIN_PASSWORD or from standard input, never from the command line, which
    everybody on the machine can read.
    """

    help = "Make an operator; the password is read from MOREH_ADMIN_PASSWORD, else from standard input."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--email", default="", help="default: the username, else <username>@localhost.localdomain")
        parser.add_argument("--role", choices=Role.values, default=Role.MASTER)

    def handle(self, *_args: Any, **options: Any) -> None:
        username, role = options["username"], Role(options["role"])
        email = options["email"] or (username if "@" in username else f"{username}@localhost.localdomain")
        password = os.environ.get("MOREH_ADMIN_PASSWORD") or _typed_password()
        known = Operator.objects.filter(username=username).first()
        try:
            if known is None:
                create_operator(username=username, email=email, password=password, role=role, actor=SHELL)
            elif not known.check_password(password):
                update_operator(known, password=password, actor=SHELL)
        except DomainError as refusal:
            details = "; ".join(f"{name}: {value}" for name, value in refusal.details.items())
            raise CommandError(f"{refusal} {details}") from refusal
        self.stdout.write(f"{username}: {'known' if known else 'created'}")


def _typed_password() -> str:
    return getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
