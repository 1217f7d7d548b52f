import getpass
import os
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.choices import Role
from accounts.models import Operator
from accounts.services.operators import create_operator, update_operator
from core.commands import BaseCommand, read_secret, word
from core.errors import DomainError
from core.stored_text import with_details
from core.texts import require_texts
from events.actor import Actor

SHELL = Actor("system", "shell")


class Command(BaseCommand):
    """Create an operator once; a second call only sets the password if it is another one, and says so.

    The password comes from MOREH_ADMIN_PASSWORD or from standard input, never from the command line, which
    everybody on the machine can read.
    """

    help = "Make an operator; the password is read from MOREH_ADMIN_PASSWORD, else from standard input."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", type=word)
        parser.add_argument(
            "--email", type=word, default="", help="default: the username, else <username>@localhost.localdomain"
        )
        parser.add_argument("--role", choices=Role.values, default=Role.MASTER)

    def handle(self, *_args: Any, **options: Any) -> None:
        username, role = options["username"].strip(), Role(options["role"])
        email = options["email"] or (username if "@" in username else f"{username}@localhost.localdomain")
        password = os.environ.get("MOREH_ADMIN_PASSWORD") or _typed_password()
        done = "unchanged"
        try:
            require_texts(150, username=username, email=email)
            known = Operator.objects.filter(username=username).first()
            if known is None:
                create_operator(username=username, email=email, password=password, role=role, actor=SHELL)
                done = "created"
            elif not known.check_password(password):
                update_operator(known, password=password, actor=SHELL)
                done = "password changed"
        except DomainError as refusal:
            raise CommandError(with_details(str(refusal), refusal.details)) from refusal
        self.stdout.write(f"{username}: {done}")


def _typed_password() -> str:
    read = getpass.getpass if sys.stdin.isatty() else sys.stdin.readline
    return read_secret(read).rstrip("\n")
