"""Readers refuse what they cannot read and name the variable."""

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from moreh_cloud.settings import env

READ: dict[str, tuple[str | None, Callable[[], object], object]] = {
    "a text that is absent has its default": (None, lambda: env.text("X", "a"), "a"),
    "an empty text counts as absent": ("  ", lambda: env.text("X", "a"), "a"),
    "a word of the list": ("json", lambda: env.choice("X", "text", ("json", "text")), "json"),
    "a switch that is on": ("Yes", lambda: env.flag("X", default=False), True),
    "a switch that is off": ("0", lambda: env.flag("X", default=True), False),
    "a number at its lower limit": ("4", lambda: env.number("X", 9, least=4), 4),
    "seconds": ("90", lambda: env.seconds("X", 30), timedelta(seconds=90)),
    "the last port": ("65535", lambda: env.port("X", 80), 65_535),
    "a host name": ("web_1.example.com", lambda: env.host("X", "h"), "web_1.example.com"),
    "an IPv6 address": ("::", lambda: env.host("X", "h"), "[::]"),
    "an IPv6 address in brackets": ("[::1]", lambda: env.host("X", "h"), "[::1]"),
    "words with spaces and an empty one": (" a, b,,c ", lambda: env.words("X"), ["a", "b", "c"]),
    "no words": (None, lambda: env.words("X"), []),
    "an absolute path": ("/srv/moreh", lambda: env.path("X"), Path("/srv/moreh")),
    "a relative path from here": ("data", lambda: env.path("X"), Path.cwd() / "data"),
    "two networks": (
        "10.0.0.0/8, ::1/128",
        lambda: env.networks("X", ""),
        (ip_network("10.0.0.0/8"), ip_network("::1/128")),
    ),
}
REFUSED: dict[str, tuple[str, Callable[[], object], str]] = {
    "a word outside the list": ("xml", lambda: env.choice("X", "a", ("a", "b")), "X must be one of a, b, not 'xml'."),
    "a switch that is neither": ("maybe", lambda: env.flag("X", default=False), "X must be 1 or 0, not 'maybe'."),
    "a number with a unit": ("30s", lambda: env.number("X", 1), "X must be a whole number, not '30s'."),
    "a number that is too small": ("0", lambda: env.number("X", 1, least=1), "X must be at least 1, not '0'."),
    "no time at all": ("0", lambda: env.seconds("X", 30), "X must be at least 1, not '0'."),
    "a number of 25 digits": (
        "9" * 25,
        lambda: env.number("X", 1),
        f"X must be between 0 and 2147483647, not '{'9' * 25}'.",
    ),
    "a time beyond the calendar": (
        "99999999",
        lambda: env.hours("X", 1),
        "X must be between 1 and 87600, not '99999999'.",
    ),
    **{
        f"the host {value!r}": (
            value,
            lambda: env.host("X", "h"),
            f"X must be a host name or an IP address, not {value!r}.",
        )
        for value in ("bad name", "h:80", "a..b", "u@h", "h/p")
    },
    "port 0": ("0", lambda: env.port("X", 80), "X must be between 1 and 65535, not '0'."),
    "port 65536": ("65536", lambda: env.port("X", 80), "X must be between 1 and 65535, not '65536'."),
    "a network with host bits": (
        "10.0.0.1/8",
        lambda: env.networks("X", ""),
        "X must be IP networks separated by commas: 10.0.0.1/8 has host bits set.",
    ),
}


@pytest.mark.parametrize("case", READ)
def test_readers_read(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given, read, wanted = READ[case]
    if given is not None:
        monkeypatch.setenv("X", given)
    assert read() == wanted


@pytest.mark.parametrize("case", REFUSED)
def test_readers_refuse(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given, read, message = REFUSED[case]
    monkeypatch.setenv("X", given)
    with pytest.raises(ImproperlyConfigured) as refusal:
        read()
    assert str(refusal.value) == message
