"""Typed readers of the environment. A value that cannot be read stops the process and names its variable."""

import os
import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ImproperlyConfigured

Network = IPv4Network | IPv6Network
MOST = 2**31 - 1
TEN_YEARS = 10 * 365 * 86_400  # seconds; a time that far ahead can still be written
TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    """Read a text; an empty variable counts as absent."""
    return os.environ.get(name, "").strip() or default


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """Read one of a closed list of words."""
    value = text(name, default)
    if value not in allowed:
        raise _refusal(name, f"one of {', '.join(allowed)}", value)
    return value


def flag(name: str, *, default: bool) -> bool:
    """Read a switch: 1, true, yes, on or 0, false, no, off."""
    value = text(name, "1" if default else "0").lower()
    if value not in TRUE | FALSE:
        raise _refusal(name, "1 or 0", value)
    return value in TRUE


def number(name: str, default: int, *, least: int = 0, most: int | None = None) -> int:
    """Read a whole number between `least` and `most`."""
    value = text(name, str(default))
    try:
        result = int(value)
    except ValueError:
        raise _refusal(name, "a whole number", value) from None
    limit = MOST if most is None else most
    if not least <= result <= limit:
        too_small = most is None and result < least
        raise _refusal(name, f"at least {least}" if too_small else f"between {least} and {limit}", value)
    return result


def seconds(name: str, default: int, *, least: int = 1) -> timedelta:
    """Read a duration in whole seconds."""
    return _duration(name, default, least, 1)


def hours(name: str, default: int) -> timedelta:
    """Read a duration in whole hours."""
    return _duration(name, default, 1, 3600)


def _duration(name: str, default: int, least: int, unit: int) -> timedelta:
    found, most = number(name, default, least=least), TEN_YEARS // unit
    if found > most:
        raise _refusal(name, f"between {least} and {most}", str(found))
    return timedelta(seconds=found * unit)


def port(name: str, default: int) -> int:
    """Read a TCP or UDP port."""
    return number(name, default, least=1, most=65_535)


def ports(name: str) -> dict[str, int]:
    """Read names with their TCP ports, as name:port, separated by commas."""
    found = [word.rpartition(":") for word in words(name)]
    for kind, _colon, number_of in found:
        if not (re.fullmatch(r"[a-z][a-z0-9_-]*", kind) and number_of.isdecimal() and 0 < int(number_of) < 65_536):
            raise _refusal(name, "like name:port,name:port", text(name))
    return {kind: int(number_of) for kind, _colon, number_of in found}


def host(name: str, default: str) -> str:
    """Read a name or an address to listen on, as it stands in a URL: IPv6 in brackets."""
    value = text(name, default).strip("[]")
    found = f"[{value}]" if ":" in value else value
    parts = split_url(f"//{found}")
    if parts is None or parts.netloc != found or "@" in found:
        raise _refusal(name, "a host name or an IP address", value)
    return found


def words(name: str, default: str = "") -> list[str]:
    """Read a list separated by commas."""
    value = text(name, default)
    found = [word for part in value.split(",") if (word := part.strip())]
    if value and not found:
        raise _refusal(name, "a list separated by commas", value)
    return found


def split_url(value: str) -> SplitResult | None:
    """Return the parts of a URL whose host and port can be read; None for any other text."""
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        host.encode("idna")  # refuses empty and too long labels with a ValueError, as `port` does what is none
        return parts if parts.port != 0 and host == "".join(host.split()) else None
    except ValueError:
        return None


def url(name: str, default: str = "", *, root: bool = False) -> str:
    """Read a web address without a login and a fragment; `root`: also without a path and a query."""
    value = text(name, default)
    parts = split_url(value)
    if value and (
        parts is None
        or parts.scheme not in ("http", "https")
        or not parts.hostname
        or "@" in parts.netloc
        or "#" in value
        or " " in value
        or not value.isprintable()
        or (root and (parts.path.strip("/") or "?" in value))
    ):
        wanted = "like https://cloud.example.com" + ("" if root else "/path")
        raise _refusal(name, wanted, "…" if "@" in value else value)  # before an @ may be a password
    return value


def address(name: str, default: str) -> str:
    """Read host:port, as it stands in a URL: IPv6 in brackets."""
    value = text(name, default)
    parts = split_url(f"//{value}")
    if parts is None or not parts.hostname or parts.port is None or parts.netloc != value:
        raise _refusal(name, "like host:port", value)
    return value


def path(name: str, default: Path | None = None) -> Path | None:
    """Read a path and make it absolute."""
    value = text(name)
    try:
        return Path(value).expanduser().absolute() if value else default
    except RuntimeError:
        raise _refusal(name, "a path whose ~ stands for a home folder that there is", value) from None


def networks(name: str, default: str = "") -> tuple[Network, ...]:
    """Read IP networks in CIDR form, separated by commas."""
    try:
        return tuple(ip_network(word) for word in words(name, default))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be IP networks separated by commas: {error}.") from None


def _refusal(name: str, wanted: str, value: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name} must be {wanted}, not {value!r}.")
