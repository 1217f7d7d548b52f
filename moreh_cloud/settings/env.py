"""Typed readers of the environment. A value that cannot be read stops the process and names its variable."""

import os
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

Network = IPv4Network | IPv6Network
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
    if result < least or (most is not None and result > most):
        raise _refusal(name, f"at least {least}" if most is None else f"between {least} and {most}", value)
    return result


def seconds(name: str, default: int, *, least: int = 1) -> timedelta:
    """Read a duration in whole seconds."""
    return timedelta(seconds=number(name, default, least=least))


def port(name: str, default: int) -> int:
    """Read a TCP or UDP port."""
    return number(name, default, least=1, most=65_535)


def host(name: str, default: str) -> str:
    """Read a name or an address to listen on, as it stands in a URL: IPv6 in brackets."""
    value = text(name, default).strip("[]")
    return f"[{value}]" if ":" in value else value


def words(name: str, default: str = "") -> list[str]:
    """Read a list separated by commas."""
    return [word for part in text(name, default).split(",") if (word := part.strip())]


def path(name: str, default: Path | None = None) -> Path | None:
    """Read a path and make it absolute."""
    value = text(name)
    return Path(value).expanduser().absolute() if value else default


def networks(name: str, default: str = "") -> tuple[Network, ...]:
    """Read IP networks in CIDR form, separated by commas."""
    try:
        return tuple(ip_network(word) for word in words(name, default))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be IP networks separated by commas: {error}.") from None


def _refusal(name: str, wanted: str, value: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name} must be {wanted}, not {value!r}.")
