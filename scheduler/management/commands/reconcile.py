from typing import Any

from django.core.management.base import BaseCommand

from scheduler.reconcile import reconcile


class Command(BaseCommand):
    help = "Find and repair what can never be: devices held by nobody, jobs with too few devices, and the like."

    def handle(self, **_options: Any) -> None:
        findings = reconcile()
        for subject, wrong, repaired in findings:
            self.stdout.write(f"{subject}: {wrong}; {'repaired' if repaired else 'not repaired'}")
        self.stdout.write(f"{sum(finding.repaired for finding in findings)} inconsistencies repaired.")
