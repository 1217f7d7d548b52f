"""The address of a BMC with the credentials for it."""

from dataclasses import dataclass, field

from backends.power.driver import BmcAddress
from backends.power.drivers import DEFAULT_DRIVER, DRIVERS
from backends.power.errors import UnusableLogin, WeakAuth


@dataclass(frozen=True, slots=True)
class BmcLogin:
    """The address, driver and credentials (as bytes) of a BMC; its `repr` does not show the credentials.

    `certificate` verifies a BMC that speaks TLS: a SHA-256 fingerprint, a CA in PEM, or the path of a file of CAs.

    Raises WeakAuth for an empty password, and UnusableLogin for a login that the driver cannot send.
    """

    address: BmcAddress
    user: bytes = field(repr=False)
    password: bytes = field(repr=False)
    driver: str = DEFAULT_DRIVER
    certificate: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.password.strip(b"\0"):
            raise WeakAuth(f"BMC {self.address}: an empty password is refused")
        kind = DRIVERS[self.driver]
        most = kind.login_bytes
        if len(self.user) > most.user or len(self.password) > most.password:
            limits = f"user at most {most.user} bytes, password at most {most.password} bytes"
            raise UnusableLogin(f"BMC {self.address}: {limits} ({kind.title})")
