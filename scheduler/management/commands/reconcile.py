"""Find and repair inconsistencies now."""

from typing import Any

from core.commands import BaseCommand
from scheduler.reconcile import reconcile


class Command(BaseCommand):
    """Print each inconsistency, and whether it was repaired."""

    help = "Find and repair what can never be: devices held by nobody, jobs with too few devices, and the like."

    def handle(self, **_options: Any) -> None:
        inconsistencies = reconcile()
        for subject, wrong, repaired, _node in inconsistencies:
            self.stdout.write(f"{subject}: {wrong}; {'repaired' if repaired else 'not repaired'}")
        self.stdout.write(f"{sum(one.repaired for one in inconsistencies)} inconsistencies repaired.")
