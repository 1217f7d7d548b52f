from typing import Any

from django.core.management.base import CommandError, CommandParser

from core.commands import BaseCommand
from core.key_rotation import rotate_keys


class Command(BaseCommand):
    """Encrypt stored secrets with the first key."""

    help = (
        "Encrypt every stored secret with the first of MOREH_ENCRYPTION_KEYS, while everything runs. When it ends "
        "without an error, the other keys are no longer needed. It may be ended and repeated at any time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count what would be encrypted anew")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        unreadable = 0
        for column in rotate_keys(dry_run=options["dry_run"]):
            self.stdout.write(f"{column.table}.{column.column}: {column.renewed} of {column.seen} encrypted anew")
            if column.unreadable:
                unreadable += len(column.unreadable)
                self.stderr.write(f"{column.table}.{column.column}: no key decrypts {_ids(column.unreadable)}")
        if unreadable:
            raise CommandError(f"{unreadable} values cannot be decrypted. Give the key that encrypted them as well.")


def _ids(rows: list[Any], most: int = 20) -> str:
    more = f" and {len(rows) - most} more" if len(rows) > most else ""
    return ", ".join(map(str, rows[:most])) + more
