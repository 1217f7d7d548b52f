"""The errors of BMCs and driver processes; power actions and alerts store their codes."""

from typing import ClassVar


class PowerError(Exception):
    """An error of a BMC or a driver process; `code` is its stable name.

    `fatal`: a retry cannot help. `refused`: the command was certainly not carried out.
    """

    code: ClassVar[str] = "POWER_ERROR"
    fatal: ClassVar[bool] = False
    refused: ClassVar[bool] = False


class WrongLogin(PowerError):
    """The BMC refused the user or the password."""

    code = "WRONG_LOGIN"
    fatal = True


class UnusableLogin(PowerError):
    """The login is longer than the protocol can send; nothing was sent."""

    code = "UNUSABLE_LOGIN"
    fatal = True


class UnreadableLogin(PowerError):
    """No key decrypts the stored user or password; nothing was sent."""

    code = "UNREADABLE_LOGIN"
    fatal = True


class LoginLocked(PowerError):
    """One more wrong login could lock the account on the BMC; nothing was sent."""

    code = "LOGIN_LOCKED"
    fatal = True


class Unsupported(PowerError):
    """The BMC cannot do this, or there is nothing to do."""

    code = "UNSUPPORTED"
    fatal = True


class WeakAuth(PowerError):
    """No safe login: only IPMI 1.5, another cipher suite than 3 or 17, or an empty password."""

    code = "WEAK_AUTH"
    fatal = True


class AddressNotAllowed(PowerError):
    """The address lies outside the networks that are allowed for BMCs; nothing was sent."""

    code = "ADDRESS_NOT_ALLOWED"
    fatal = True


class UntrustedCertificate(PowerError):
    """The BMC shows another TLS certificate than the pinned one, or no trusted CA signed it; no request was sent."""

    code = "UNTRUSTED_CERTIFICATE"
    fatal = True


class BmcSilent(PowerError):
    """The BMC did not answer in time."""

    code = "BMC_SILENT"


class BmcUnreachable(PowerError):
    """The network reported at once that nobody listens at the address, or that there is no route."""

    code = "BMC_UNREACHABLE"


class BmcGarbage(PowerError):
    """The answer could not be understood, or the driver failed."""

    code = "BMC_GARBAGE"


class SessionsFull(PowerError):
    """The BMC has no session free."""

    code = "SESSIONS_FULL"


class BmcBusy(PowerError):
    """The BMC answered that it cannot carry the command out now."""

    code = "BMC_BUSY"
    refused = True


class LogGrows(PowerError):
    """The log got new entries each time it was to be cleared; nothing was cleared."""

    code = "LOG_GROWS"
    fatal = True


class DriverLost(PowerError):
    """The driver process died or was killed at its deadline."""

    code = "DRIVER_LOST"


class StateNotReached(PowerError):
    """The BMC answers, but the node did not reach the wanted state in time."""

    code = "IPMI_ERROR"


ERRORS: dict[str, type[PowerError]] = {error.code: error for error in PowerError.__subclasses__()}


class BadPacket(ValueError):
    """Bytes that are no packet of this protocol, or no packet of this session."""
