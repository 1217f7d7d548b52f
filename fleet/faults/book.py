"""The faults of one simulated node, in a file: the simulation and `manage.py demo_fault` change it under a lock."""

import fcntl
import json
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fleet.faults.table import FAULTS, Mend

CUT_OFF = "cut-off"  # the file that says so


@dataclass(frozen=True)
class Occurrence:
    """A fault of a device, since when (Unix time, s)."""

    device: int
    fault: str
    since: float

    @property
    def over(self) -> bool:
        """Whether it has ended by itself."""
        lasts = FAULTS[self.fault].lasts
        return bool(lasts) and time.time() > self.since + lasts


@dataclass
class Page:
    """What is in the file: the faults, and how often the card of each device was exchanged."""

    faults: list[Occurrence] = field(default_factory=list)
    exchanged: dict[int, int] = field(default_factory=dict)

    def add(self, device: int, fault: str) -> bool:
        """Add a fault; return False if the device has it."""
        if any((one.device, one.fault) == (device, fault) for one in self.faults):
            return False
        self.faults.append(Occurrence(device, fault, time.time()))
        return True

    def mend(self, by: Mend, devices: Collection[int] | None = None) -> None:
        """Remove the faults that this repairs, on some devices or on all, and those that have ended."""
        self.faults = [
            one
            for one in self.faults
            if not one.over and (FAULTS[one.fault].mend > by or (devices is not None and one.device not in devices))
        ]


class FaultBook:
    """Remembers the faults of a node: they outlast the simulation, as those of a real node outlast its agent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "faults.json"

    def read(self) -> Page:
        """Return what is in the file now, without what has ended by itself."""
        try:
            found = json.loads(self._file.read_text())
        except FileNotFoundError:
            return Page()
        faults = [Occurrence(**one) for one in found["faults"] if one["fault"] in FAULTS]
        exchanged = {int(device): times for device, times in found["exchanged"].items()}
        return Page([one for one in faults if not one.over], exchanged)

    @contextmanager
    def change(self) -> Iterator[Page]:
        """Return the page to be changed, and store it afterwards; others wait meanwhile."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._folder / "faults.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            page = self.read()
            yield page
            draft = self._file.with_suffix(".new")
            draft.write_text(json.dumps(asdict(page)))
            draft.replace(self._file)

    def add(self, device: int, fault: str) -> bool:
        """Let a device have a fault; return False if it has it."""
        with self.change() as page:
            return page.add(device, fault)

    @property
    def is_cut_off(self) -> bool:
        """Whether nothing reaches the node but its BMC."""
        return (self._folder / CUT_OFF).exists()

    def cut_off(self) -> None:
        """Take the node off the network within a second; what ran on it is lost."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._folder / CUT_OFF).touch()

    def reconnect(self) -> bool:
        """Put the node back on the network; return False if it was not cut off."""
        cut = self.is_cut_off
        (self._folder / CUT_OFF).unlink(missing_ok=True)
        return cut

    def mend(self, by: Mend, devices: Collection[int] | None = None) -> None:
        """Repair what this repairs, on some devices or on all."""
        if self._file.exists():
            with self.change() as page:
                page.mend(by, devices)

    def exchange(self, device: int) -> None:
        """Put another card in a device's place: it has no faults."""
        with self.change() as page:
            page.mend(Mend.EXCHANGE, [device])
            page.exchanged[device] = page.exchanged.get(device, 0) + 1
