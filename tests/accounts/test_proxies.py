"""Whose address counts behind proxies."""

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse

from moreh_cloud.middleware.proxies import TrustedProxies
from moreh_cloud.settings import env

PROXY, OTHER_PROXY, CLIENT, LIE = "10.0.0.1", "10.0.0.2", "192.0.2.9", "203.0.113.1"
SEEN: dict[str, tuple[str, str | None, str]] = {
    "a client without a proxy": (CLIENT, None, CLIENT),
    "a client that makes an address up": (CLIENT, LIE, CLIENT),
    "a client of a proxy": (PROXY, CLIENT, CLIENT),
    "a client of a proxy that makes an address up": (PROXY, f"{LIE}, {CLIENT}", CLIENT),
    "a client of two proxies": (PROXY, f"{LIE}, {CLIENT} , {OTHER_PROXY}", CLIENT),
    "a proxy that says nothing": (PROXY, None, PROXY),
    "a proxy that says what is no address": (PROXY, "unknown", PROXY),
    "no address before the last good one": (PROXY, f"x, {OTHER_PROXY}", OTHER_PROXY),
    "a client with IPv6": (PROXY, "2001:db8::1", "2001:db8::1"),
    "a socket without an address": ("", CLIENT, ""),
    "an IPv4 proxy at an IPv6 socket": (f"::ffff:{PROXY}", f"{LIE}, {CLIENT}", CLIENT),
    "an IPv4 client at an IPv6 socket": (f"::ffff:{CLIENT}", LIE, CLIENT),
    "proxies that write IPv4 as IPv6": (PROXY, f"::ffff:{CLIENT}, ::ffff:{OTHER_PROXY}", CLIENT),
    "a proxy that adds the port": (PROXY, f"{LIE}:1, {CLIENT}:51234", CLIENT),
    "a proxy that adds the port to IPv6": (PROXY, "[2001:db8::1]:443", "2001:db8::1"),
    "a proxy that adds brackets": (PROXY, "[2001:db8::1]", "2001:db8::1"),
    "an address with what is no port": (PROXY, f"{CLIENT}:port", PROXY),
}


@pytest.mark.parametrize("case", SEEN)
def test_the_address_of(case: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    remote, told, wanted = SEEN[case]
    monkeypatch.setenv("X", "10.0.0.0/24")
    settings.MOREH_TRUSTED_PROXIES = env.networks("X")
    request = HttpRequest()
    request.META["REMOTE_ADDR"] = remote
    if told is not None:
        request.META["HTTP_X_FORWARDED_FOR"] = told
    TrustedProxies(lambda _request: HttpResponse())(request)
    assert request.META["REMOTE_ADDR"] == wanted


def test_nobody_is_trusted_unless_it_is_set(settings: Any) -> None:
    request = HttpRequest()
    request.META |= {"REMOTE_ADDR": PROXY, "HTTP_X_FORWARDED_FOR": LIE}
    assert settings.MOREH_TRUSTED_PROXIES == ()
    TrustedProxies(lambda _request: HttpResponse())(request)
    assert request.META["REMOTE_ADDR"] == PROXY
