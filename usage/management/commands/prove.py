from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing import proof as billing
from usage.proof import prove


class Command(BaseCommand):
    help = "Recompute all usage from the allocations, compare issued statements with it, and say what differs."

    def handle(self, **_options: Any) -> None:
        proof, bills = prove(), billing.prove()
        differences = [*proof.differences, *bills.differences]
        for difference in differences:
            self.stderr.write(difference)
        closed = f"{proof.hours} closed hours, {proof.days} days and {proof.months} months"
        rolled_up = f"{proof.device_ms} device-ms rolled up in {closed}"
        seen = f"{proof.allocations} allocations, {rolled_up}, {proof.device_ms_since} device-ms since"
        billed = f", {bills.device_ms} device-ms in {bills.statements} issued statements" if bills.statements else ""
        if differences:
            raise CommandError(f"{len(differences)} differences in {seen}{billed}.")
        self.stdout.write(f"Usage adds up: {seen}{billed}.")
