"""What every power driver offers, and the names of everything that can go wrong. Knows no protocol."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import ClassVar, Protocol

Network = IPv4Network | IPv6Network


class PowerState(StrEnum):
    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


class PowerCommand(StrEnum):
    STATUS = "status"
    ON = "on"
    OFF = "off"
    SOFT = "soft"
    CYCLE = "cycle"
    RESET = "reset"
    RECONNECT = "reconnect"


WEAK_AUTH = "weak_auth"  # what a driver is asked to look for; no PowerCommand, for no operator orders it


class PowerError(Exception):
    """Something went wrong; `code` is its stable name, `fatal` means that trying again cannot help."""

    code: ClassVar[str] = "POWER_ERROR"
    fatal: ClassVar[bool] = False


class WrongLogin(PowerError):
    code = "WRONG_LOGIN"
    fatal = True


class LoginLocked(PowerError):
    """Refused here: one more wrong login could lock the BMC's account."""

    code = "LOGIN_LOCKED"
    fatal = True


class Unsupported(PowerError):
    code = "UNSUPPORTED"
    fatal = True


class WeakAuth(PowerError):
    """Refused here: cipher suite 0, no authentication, an empty password, or neither suite 3 nor 17 on offer."""

    code = "WEAK_AUTH"
    fatal = True


class AddressNotAllowed(PowerError):
    code = "ADDRESS_NOT_ALLOWED"
    fatal = True


class BmcSilent(PowerError):
    code = "BMC_SILENT"


class BmcUnreachable(PowerError):
    """The network said so at once: nobody listens there, or there is no route."""

    code = "BMC_UNREACHABLE"


class BmcGarbage(PowerError):
    code = "BMC_GARBAGE"


class SessionsFull(PowerError):
    code = "SESSIONS_FULL"


class BmcBusy(PowerError):
    """The BMC answered that it cannot do it now."""

    code = "BMC_BUSY"


class DriverLost(PowerError):
    """The driver process died or was killed at its deadline."""

    code = "DRIVER_LOST"


class NeverAgreed(PowerError):
    """The BMC works, but the node did not reach the wished state in time."""

    code = "IPMI_ERROR"


ERRORS: dict[str, type[PowerError]] = {error.code: error for error in PowerError.__subclasses__()}


@dataclass(frozen=True, slots=True)
class BmcAddress:
    """Where a BMC listens: a literal IP address and a UDP port."""

    host: str
    port: int = 623

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class BmcLogin:
    """A BMC's address with its credentials as bytes; its text never shows the secrets."""

    address: BmcAddress
    user: bytes = field(repr=False)
    password: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not self.password.strip(b"\0"):
            raise WeakAuth(f"BMC {self.address}: an empty password is refused")
        if len(self.user) > 16 or len(self.password) > 20:
            raise WrongLogin(f"BMC {self.address}: user at most 16 bytes, password at most 20 bytes (IPMI 2.0)")


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
    """One protocol's way to BMCs: what a driver process calls. Times in seconds; raises PowerError."""

    async def state(self, login: BmcLogin) -> PowerState: ...

    async def control(self, login: BmcLogin, command: PowerCommand, may_send: Callable[[], Awaitable[None]]) -> bool:
        """Send ON, OFF, SOFT or RESET exactly once, after `may_send`; False when no answer came."""
        ...

    async def reconnect(self, login: BmcLogin) -> None:
        """Log in anew, trusting no session kept open."""
        ...

    async def accepts_weak_auth(self, login: BmcLogin) -> bool:
        """Look whether the BMC would let anyone in without a password."""
        ...
