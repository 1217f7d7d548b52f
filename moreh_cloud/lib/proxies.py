from collections.abc import Callable
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse


class TrustedProxies:
    """Put the address of the real client where everybody looks for it, when a trusted proxy speaks for it.

    Of X-Forwarded-For the last address counts that is not such a proxy: what stands before it the client may have made
    up. Without this all clients of a proxy would share its address, and one could lock all of them out.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer as if the client had come directly."""
        if settings.MOREH_TRUSTED_PROXIES and _trusted(request.META.get("REMOTE_ADDR", "")):
            request.META["REMOTE_ADDR"] = _client(request)
        return self.get_response(request)


def _client(request: HttpRequest) -> str:
    client: str = request.META["REMOTE_ADDR"]
    for told in reversed(request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        try:
            client = str(ip_address(told.strip()))
        except ValueError:
            return client
        if not _trusted(client):
            return client
    return client


def _trusted(address: str) -> bool:
    try:
        known = ip_address(address)
    except ValueError:
        return False
    return any(known in network for network in settings.MOREH_TRUSTED_PROXIES)
