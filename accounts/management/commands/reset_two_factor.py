from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.models import Operator
from accounts.services.two_factor import reset_two_factor
from core.commands import BaseCommand, word
from core.errors import DomainError
from events.actor import Actor


class Command(BaseCommand):
    """Take away an operator's second factor: for when no other Master is left to do it."""

    help = "Take away an operator's second factor."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", type=word)

    def handle(self, *_args: Any, **options: Any) -> None:
        operator = Operator.objects.filter(username=options["username"].strip()).first()
        if operator is None:
            raise CommandError("There is no such operator.")
        try:
            reset_two_factor(operator, actor=Actor("system", "shell"))
        except DomainError as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"{operator.username}: reset")
