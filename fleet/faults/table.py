"""Every fault that a simulated device can have: what its agent reports then, and what repairs it.

Each finding of `backends/health/findings.py` has at least one; a test compares the two, and docs/health.md shows them.
"""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import NamedTuple

from clients.agent.devices.facts import Code

HOUR, TEN_MINUTES = 3600.0, 600.0  # seconds


class Mend(IntEnum):
    """What repairs a fault. Each of them repairs what those before it repair."""

    CLEAN = 1
    RESET = 2
    REBOOT = 3
    POWER_CYCLE = 4
    EXCHANGE = 5


class FaultEffect(StrEnum):
    """What a fault does, apart from what is reported about it."""

    NONE = "none"
    SILENT = "silent"  # no value of the device can be read
    FROZEN = "frozen"  # the values stay as they were
    HOT = "hot"
    FAILS_CHECK = "fails the health check"
    KEEPS_PROCESSES = "cannot be cleaned"
    ENDS_WORKERS = "ends workers a moment after they started"


class Fault(NamedTuple):
    """A kind of fault. `facts`: code and number of what the agent reports; `lasts`: seconds until it ends by itself.

    `stops_work`: a worker on the device ends when the fault begins, and none can start. `by_chance`: it is among those
    that befall devices at random.
    """

    mend: Mend
    facts: tuple[tuple["Code.Code.ValueType", int], ...] = ()
    effect: FaultEffect = FaultEffect.NONE
    stops_work: bool = False
    lasts: float = 0.0
    by_chance: bool = True


def _xid(number: int, mend: Mend, *, stops_work: bool = False, lasts: float = 0.0) -> Fault:
    return Fault(mend, ((Code.XID, number),), stops_work=stops_work, lasts=lasts)


FAULTS: Mapping[str, Fault] = {
    # Programs cause these; an agent reports them for an hour
    "xid-13": _xid(13, Mend.RESET, lasts=HOUR),
    "xid-31": _xid(31, Mend.RESET, lasts=HOUR),
    "xid-43": _xid(43, Mend.RESET, lasts=HOUR),
    "xid-45": _xid(45, Mend.RESET, lasts=HOUR),
    "xid-69": _xid(69, Mend.RESET, lasts=HOUR),
    "xid-other": _xid(32, Mend.RESET, lasts=HOUR),
    # The hardware or its firmware
    "xid-48": _xid(48, Mend.RESET, stops_work=True),
    "xid-62": _xid(62, Mend.RESET),
    "xid-63": _xid(63, Mend.RESET),
    "xid-64": _xid(64, Mend.EXCHANGE, stops_work=True),
    "xid-74": _xid(74, Mend.RESET),
    "xid-79": _xid(79, Mend.POWER_CYCLE, stops_work=True),
    "xid-92": _xid(92, Mend.RESET, lasts=HOUR),
    "xid-94": _xid(94, Mend.RESET),
    "xid-95": _xid(95, Mend.RESET, stops_work=True),
    "xid-119": _xid(119, Mend.RESET),
    "xid-120": _xid(120, Mend.REBOOT),
    "xid-140": _xid(140, Mend.RESET, stops_work=True),
    "ecc-uncorrectable": Fault(Mend.RESET, ((Code.ECC_UNCORRECTABLE, 0),), stops_work=True),
    "ecc-lifetime": Fault(Mend.EXCHANGE, ((Code.ECC_UNCORRECTABLE_LIFETIME, 0),)),
    "row-remap-pending": Fault(Mend.RESET, ((Code.ROW_REMAP_PENDING, 0),)),
    "row-remap-failed": Fault(Mend.EXCHANGE, ((Code.ROW_REMAP_FAILED, 0),)),
    "pages-pending": Fault(Mend.REBOOT, ((Code.PAGES_PENDING, 0),)),
    "pages-unreservable": Fault(Mend.EXCHANGE, ((Code.PAGES_UNRESERVABLE, 0),)),
    "overheating": Fault(Mend.RESET, ((Code.THERMAL_SLOWDOWN, 0),), FaultEffect.HOT, lasts=TEN_MINUTES),
    "power-brake": Fault(Mend.RESET, ((Code.POWER_BRAKE, 0),), lasts=TEN_MINUTES),
    "link-errors": Fault(Mend.RESET, ((Code.LINK_ERRORS, 1),)),
    # The device as a whole
    "lost": Fault(Mend.POWER_CYCLE, ((Code.LOST, 0),), FaultEffect.SILENT, stops_work=True),
    "reset-required": Fault(Mend.RESET, ((Code.RESET_REQUIRED, 0),), stops_work=True),
    # What the server finds
    "silent": Fault(Mend.REBOOT, effect=FaultEffect.SILENT),
    "frozen": Fault(Mend.RESET, effect=FaultEffect.FROZEN),
    "check-failed": Fault(Mend.RESET, effect=FaultEffect.FAILS_CHECK),
    "left-behind": Fault(Mend.CLEAN, effect=FaultEffect.FAILS_CHECK),  # memory that a process has left behind
    "stuck-process": Fault(Mend.RESET, effect=FaultEffect.KEEPS_PROCESSES),
    "job-failures": Fault(Mend.RESET, effect=FaultEffect.ENDS_WORKERS, by_chance=False),
}
