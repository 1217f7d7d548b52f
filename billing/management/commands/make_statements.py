from datetime import date
from typing import Any

from django.core.management.base import CommandError, CommandParser

from billing.services.failing import sentences
from billing.services.statements import Corrected, correct_statements, make_statements
from core.commands import BaseCommand, month
from core.errors import DomainError
from events.actor import SYSTEM


class Command(BaseCommand):
    """Create or issue the statements of a month."""

    help = "Make the statements of a closed month for every token that used something. Twice is once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("month", type=month, help="as 2026-01")
        parser.add_argument("--issue", action="store_true", help="issue them, for good")
        parser.add_argument("--correct", action="store_true", help="issue corrections of those issued before")

    def handle(self, *, month: date, issue: bool, correct: bool, **_options: Any) -> None:
        try:
            made = make_statements(month, actor=SYSTEM, issue=issue)
            corrected = correct_statements(month, actor=SYSTEM) if correct else Corrected(0)
        except DomainError as refusal:
            raise CommandError(str(refusal)) from refusal
        before = f"issued before: {made.left}, of them corrected: {corrected.issued}"
        self.stdout.write(f"Statements made: {made.made}, of them issued: {made.issued}; {before}.")
        if failed := sentences([*made.failed, *corrected.failed]):
            raise CommandError("\n".join([f"{len(failed)} could not be made:", *failed]))
