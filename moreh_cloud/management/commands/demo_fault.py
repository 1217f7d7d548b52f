import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from core.commands import BaseCommand, number, word
from fleet.faults import FAULTS, FaultBook
from fleet.roster import DEVICES, read_roster

Books = dict[str, FaultBook]
SOON = "the node reports it within five seconds"


class Command(BaseCommand):
    """Change the files in which simulated nodes look for their faults; no database is used."""

    help = "Let a device or node of the simulated fleet have a fault, or show all. docs/health.md lists their names."
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("node", type=word, nargs="?", help="its name, for example node-03")
        parser.add_argument("device", type=number(0, DEVICES - 1), nargs="?", help="its index on the node")
        parser.add_argument("fault", nargs="?", choices=list(FAULTS), metavar="fault", help=", ".join(FAULTS))
        parser.add_argument("--exchange", action="store_true", help="put another card in the device's place")
        parser.add_argument(
            "--cut-off", action="store_true", help="take the node off the network; its BMC still answers"
        )
        parser.add_argument("--reconnect", action="store_true", help="put the node back on the network")

    def handle(self, *_args: Any, **options: Any) -> None:
        books = _books()
        node, device, fault = options["node"], options["device"], options["fault"]
        if node is None:
            self._show(books)
            return
        if node not in books:
            raise CommandError(f"There is no simulated node {node!r}.")
        if options["cut_off"] or options["reconnect"]:
            self._network(books[node], **options)
            return
        if device is None or (fault is None) is not options["exchange"]:
            raise CommandError("Name a node, a device and a fault; or a node and a device with --exchange.")
        if options["exchange"]:
            books[node].exchange(device)
            self.stdout.write(f"Device {device} of {node} is another card now, without faults.")
        elif not books[node].add(device, fault):
            raise CommandError(f"Device {device} of {node} has this fault already.")
        else:
            self.stdout.write(f"Device {device} of {node} has the fault {fault}; {SOON}; {_repaired_by(fault)}.")

    def _network(self, book: FaultBook, *, node: str, cut_off: bool, reconnect: bool, **rest: Any) -> None:
        if (cut_off and reconnect) or rest["device"] is not None or rest["exchange"]:
            raise CommandError("Name a node, and --cut-off or --reconnect.")
        if cut_off:
            book.cut_off()
            silent, lost = (
                int(one.total_seconds()) for one in (settings.MOREH_SILENT_AFTER, settings.MOREH_NODE_LOST_AFTER)
            )
            self.stdout.write(f"{node} is cut off: it counts as silent in {silent} s, and as lost in {lost} s.")
        elif not book.reconnect():
            raise CommandError(f"{node} is not cut off.")
        else:
            self.stdout.write(f"{node} is on the network again, and connects within seconds.")

    def _show(self, books: Books) -> None:
        for name, book in books.items():
            if book.is_cut_off:
                self.stdout.write(f"{name}  cut off")
            for one in book.read().faults:
                minutes = int(time.time() - one.since) // 60
                repair = _repaired_by(one.fault)
                self.stdout.write(f"{name}  device {one.device}  {one.fault}  since {minutes} min  {repair}")
        sound = [name for name, book in books.items() if not book.is_cut_off and not book.read().faults]
        if sound:
            self.stdout.write(f"without a fault: {', '.join(sound)}")


def _repaired_by(fault: str) -> str:
    return f"repaired by: {FAULTS[fault].mend.name.lower().replace('_', ' ')}"


def _books() -> Books:
    roster = read_roster(settings.MOREH_DATA_DIR)
    if roster is None:
        raise CommandError("There is no simulated fleet in MOREH_DATA_DIR.")
    return {node.name: FaultBook(settings.MOREH_DATA_DIR / "fleet" / node.name) for node in roster.nodes}
