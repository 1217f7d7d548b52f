from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from moreh_cloud.events.actor import SYSTEM
from usage.services import recount_hours


class Command(BaseCommand):
    help = "Roll the usage of a range up again from the allocations: its hours, and the days and months they lie in."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "start", type=moment, help="as 2026-01-31T00:00, of the installation's time zone, or with one"
        )
        parser.add_argument("end", type=moment)

    def handle(self, *, start: datetime, end: datetime, **_options: Any) -> None:
        if end <= start:
            raise CommandError("The end must be after the start.")
        self.stdout.write(f"Counted {recount_hours(start, end, actor=SYSTEM)} hours again.")


def moment(text: str) -> datetime:
    """Read a time. Raises ValueError."""
    at = parse_datetime(text) or datetime.fromisoformat(text)
    return at if timezone.is_aware(at) else timezone.make_aware(at)
