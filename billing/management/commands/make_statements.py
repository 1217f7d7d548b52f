from datetime import date, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.services.statements import correct_statements, make_statements
from moreh_cloud.events.actor import SYSTEM
from moreh_cloud.lib.errors import DomainError


class Command(BaseCommand):
    help = "Make the statements of a closed month for every token that used something. Twice is once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("month", type=month_of, help="as 2026-01")
        parser.add_argument("--issue", action="store_true", help="issue them, for good")
        parser.add_argument("--correct", action="store_true", help="issue corrections of those issued before")

    def handle(self, *, month: date, issue: bool, correct: bool, **_options: Any) -> None:
        try:
            made = make_statements(month, actor=SYSTEM, issue=issue)
            corrected = correct_statements(month, actor=SYSTEM) if correct else 0
        except DomainError as refusal:
            raise CommandError(str(refusal)) from refusal
        before = f"{made.kept} had been issued before, {corrected} of them corrected"
        self.stdout.write(f"{made.made} statements made, {made.issued} of them issued; {before}.")


def month_of(text: str) -> date:
    """Read a month. Raises ValueError."""
    return datetime.strptime(text, "%Y-%m").date()
