from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from core.addresses import Address, plain_address, read_address


class TrustedProxies:
    """Put the address of the real client where everybody looks for it, when a trusted proxy speaks for it.

    Of X-Forwarded-For the last address counts that is not such a proxy: what stands before it the client may have made
    up. Without this all clients of a proxy would share its address, and one could lock all of them out.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Handle a request as if the client had connected directly."""
        request.META["REMOTE_ADDR"] = plain_address(request.META.get("REMOTE_ADDR", ""))
        peer = read_address(request.META["REMOTE_ADDR"])
        if peer is not None and _trusted(peer):
            request.META["REMOTE_ADDR"] = str(_client(peer, request.META.get("HTTP_X_FORWARDED_FOR", "")))
        return self.get_response(request)


def _client(peer: Address, forwarded: str) -> Address:
    client = peer
    for named in reversed(forwarded.split(",")):
        known = read_address(named)
        if known is None:
            return client
        client = known
        if not _trusted(client):
            return client
    return client


def _trusted(address: Address) -> bool:
    return any(address in network for network in settings.MOREH_TRUSTED_PROXIES)
