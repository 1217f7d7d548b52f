"""The interface of power drivers: commands, states, addresses. Knows no protocol."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TYPE_CHECKING, NamedTuple, Protocol

from backends.power.errors import AddressNotAllowed
from backends.power.monitoring import LogMark, LogPortion, SensorReading

if TYPE_CHECKING:
    from backends.power.login import BmcLogin

Network = IPv4Network | IPv6Network


class PowerState(StrEnum):
    """The power state of a node, as its BMC reports it."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


class PowerCommand(StrEnum):
    """What a BMC can be made to do."""

    STATUS = "status"
    ON = "on"
    OFF = "off"
    SOFT = "soft"
    CYCLE = "cycle"
    RESET = "reset"
    RECONNECT = "reconnect"


WEAK_AUTH = "weak_auth"  # requests to a driver that are no PowerCommand: they change no power
SENSORS, LOG, CLEAR_LOG = "sensors", "log", "clear_log"


@dataclass(frozen=True, slots=True)
class BmcAddress:
    """The address of a BMC: a literal IP address and a UDP port."""

    host: str
    port: int = 623

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class LoginBytes(NamedTuple):
    """The most bytes of a user and of a password that a driver can send."""

    user: int
    password: int


PRIVATE_NETWORKS: tuple[Network, ...] = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("127.0.0.0/8"),
    IPv6Network("fc00::/7"),
    IPv6Network("::1/128"),
)


def require_allowed(address: BmcAddress, networks: Iterable[Network] = PRIVATE_NETWORKS) -> None:
    """Check that a BMC's address lies inside the networks; raises AddressNotAllowed, also for a host name."""
    try:
        ip = ip_address(address.host)
    except ValueError:
        raise AddressNotAllowed(f"BMC address {address.host!r} is not an IP address") from None
    if not any(ip in network for network in networks):
        raise AddressNotAllowed(f"BMC address {ip} lies outside the networks allowed for BMCs")


class PowerDriver(Protocol):
    """A protocol to talk to BMCs, as a driver process calls it. Methods raise PowerError."""

    async def state(self, login: "BmcLogin") -> PowerState:
        """Return the power state that the BMC reports."""
        ...

    async def control(self, login: "BmcLogin", command: PowerCommand, may_send: Callable[[], Awaitable[None]]) -> bool:
        """Send ON, OFF, SOFT or RESET exactly once, after `may_send`; return False when no answer came."""
        ...

    async def reconnect(self, login: "BmcLogin") -> None:
        """Log in anew, and use no open session."""
        ...

    async def accepts_weak_auth(self, login: "BmcLogin") -> bool:
        """Whether the BMC accepts commands without a password."""
        ...

    async def sensors(self, login: "BmcLogin") -> list[SensorReading]:
        """Return the sensors of the BMC, at most MOST_SENSORS. Raises Unsupported if it has no list of sensors.

        A sensor that cannot be read is in the list without a value. Power operations on the BMC may come in between.
        """
        ...

    async def log(self, login: "BmcLogin", after: LogMark | None) -> LogPortion:
        """Return the entries that follow the entry `after` in the BMC's log, or the first ones.

        If the log has no entry `after` any more (it was cleared or renumbered), it is read from its beginning.
        """
        ...

    async def clear_log(self, login: "BmcLogin", last: LogMark | None) -> bool:
        """Clear the log if `last` is its last entry; else return False and clear nothing. An empty log is clear.

        So no entry is lost that the caller has not stored. It is sent once; raises PowerError if it is not confirmed.
        """
        ...

    def close(self) -> None:
        """Log out of every BMC, without waiting for answers."""
        ...
