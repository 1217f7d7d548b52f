from typing import Any

from django.core.management.base import BaseCommand, CommandError

from usage.proof import prove


class Command(BaseCommand):
    help = "Recompute all usage from the allocations and say where anything differs."

    def handle(self, **_options: Any) -> None:
        proof = prove()
        for difference in proof.differences:
            self.stderr.write(difference)
        seen = f"{proof.allocations} allocations, {proof.hours} closed hours, {proof.device_ms} device-ms rolled up"
        if proof.differences:
            raise CommandError(f"{len(proof.differences)} differences in {seen}.")
        self.stdout.write(f"Usage adds up: {seen}.")
