from typing import Any

from django.core.management.base import CommandError

from billing.audit import BillingAudit, audit_billing
from core.commands import BaseCommand
from usage.audit import audit_usage


class Command(BaseCommand):
    """Recompute usage and money from the allocations and report differences."""

    help = "Recompute all usage from the allocations, compare issued statements with it, and say what differs."

    def handle(self, **_options: Any) -> None:
        usage = audit_usage()
        bills = audit_billing() if usage.is_readable else BillingAudit()  # which reads usage, too
        differences = [*usage.differences, *bills.differences]
        for difference in differences:
            self.stderr.write(difference)
        closed = f"{usage.hours} closed hours, {usage.days} days and {usage.months} months"
        rolled_up = f"{usage.device_ms} device-ms rolled up in {closed}"
        seen = f"{usage.allocations} allocations, {rolled_up}, {usage.device_ms_since} device-ms since"
        billed = f", {bills.device_ms} device-ms in {bills.statements} issued statements" if bills.statements else ""
        if differences:
            raise CommandError(f"{len(differences)} differences in {seen}{billed}.")
        self.stdout.write(f"Usage adds up: {seen}{billed}.")
