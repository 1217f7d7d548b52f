"""The power drivers, by the name that is stored for a BMC (`Bmc.driver`).

A driver is a package here whose module `driver` has `open_driver()`, which returns a PowerDriver, and a line below.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from backends.power import ipmi, redfish
from backends.power.driver import LoginBytes, PowerDriver


@dataclass(frozen=True, slots=True)
class DriverKind:
    """A driver: its title, its package, the longest login that it can send, and the port that BMCs listen on.

    `weakness`: what a BMC does that lets strangers in.
    `answer_wait`: seconds after which its process is killed if it has not told what became of a control.
    """

    title: str
    package: str
    login_bytes: LoginBytes
    port: int
    weakness: str
    answer_wait: float = 5.0

    def open(self) -> PowerDriver:
        """Return a new driver. Only driver processes call this, because it loads the driver's libraries."""
        driver: PowerDriver = import_module(f"{self.package}.driver").open_driver()
        return driver


DRIVERS: Mapping[str, DriverKind] = {
    "ipmi": DriverKind("IPMI 2.0", "backends.power.ipmi", ipmi.LOGIN_BYTES, 623, "cipher suite 0"),
    "redfish": DriverKind("Redfish", "backends.power.redfish", redfish.LOGIN_BYTES, 443, "systems without login", 7.0),
}
DEFAULT_DRIVER = "ipmi"


def titles() -> list[tuple[str, str]]:
    """Return the choices of a column; a function, so that a new driver needs no migration."""
    return [(name, kind.title) for name, kind in DRIVERS.items()]
