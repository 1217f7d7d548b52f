"""Roll up the usage of a range again."""

from datetime import datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser

from core.commands import BaseCommand, moment
from events.actor import SYSTEM
from usage.services import recount_hours


class Command(BaseCommand):
    """Roll the usage of a range up again, and print how many hours that were."""

    help = "Roll the usage of a range up again from the allocations: its hours, and the days and months they lie in."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "start", type=moment, help="as 2026-01-31T00:00, of the installation's time zone, or with an offset"
        )
        parser.add_argument("end", type=moment)

    def handle(self, *, start: datetime, end: datetime, **_options: Any) -> None:
        if end <= start:
            raise CommandError("The end must be after the start.")
        self.stdout.write(f"Counted {recount_hours(start, end, actor=SYSTEM)} hours again.")
