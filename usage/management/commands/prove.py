from typing import Any

from django.core.management.base import BaseCommand, CommandError

from usage.proof import prove


class Command(BaseCommand):
    help = "Recompute all usage from the allocations and say where anything differs."

    def handle(self, **_options: Any) -> None:
        proof = prove()
        for difference in proof.differences:
            self.stderr.write(difference)
        closed = f"{proof.hours} closed hours, {proof.days} days and {proof.months} months"
        rolled_up = f"{proof.device_ms} device-ms rolled up in {closed}"
        seen = f"{proof.allocations} allocations, {rolled_up}, {proof.device_ms_since} device-ms since"
        if proof.differences:
            raise CommandError(f"{len(proof.differences)} differences in {seen}.")
        self.stdout.write(f"Usage adds up: {seen}.")
