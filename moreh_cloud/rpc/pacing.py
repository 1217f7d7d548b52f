"""Rate limits of callers: one for each known secret, one for addresses that present unknown secrets.

Each server process counts by itself, in its memory: a call that is refused costs no query.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from django.conf import settings

from core.addresses import site_of
from core.crypto import digest
from core.errors import Unauthenticated
from core.pace import Pace, TooManyCalls
from core.rpc import Context, bearer, peer_ip
from protocol import wire

BURST = 10  # seconds: so much of what is allowed in that time may come at once
AGAIN = 60.0  # seconds after which the same wrong secret counts once more for its address
MOST_KNOWN = 65_536  # secrets; the one that was presented longest ago is forgotten first


def _pace(rate: int) -> Pace | None:
    return Pace(1 / rate, rate * BURST) if rate else None


class Callers:
    """Counts the calls with each secret, and from each address the secrets that turn out to be unknown.

    A secret that was known before is not stopped by what others do at the same address, and who presents one wrong
    secret again and again stops only itself.
    """

    def __init__(self) -> None:
        self._calls = _pace(settings.MOREH_GRPC_CALL_RATE)
        self._strangers = _pace(settings.MOREH_GRPC_STRANGER_RATE)
        self._wrong = Pace(AGAIN, 1)
        self._known: OrderedDict[str, None] = OrderedDict()

    def admit(self, secret: str, site: str, *, counted: bool) -> None:
        """Raise TooManyCalls when this caller must wait. Not `counted` are streams, unless their secret is new."""
        new = secret not in self._known
        wait = self._strangers.remaining(site) if self._strangers and new else 0.0
        if not wait and self._calls and (counted or new):
            wait = self._calls.wait(secret)
        if wait:
            raise TooManyCalls(wait)

    def know(self, secret: str) -> None:
        """Record that a secret is known."""
        self._known[secret] = None
        self._known.move_to_end(secret)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    def refuse(self, secret: str, site: str) -> None:
        """Record that a secret is not known, or no longer."""
        self._known.pop(secret, None)
        if self._strangers and not self._wrong.wait(secret):
            self._strangers.wait(site)


class Pacing(grpc.aio.ServerInterceptor):
    """Stands before every call of ours, within the one that turns errors into statuses."""

    def __init__(self) -> None:
        self._callers = Callers()

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(f"/{wire.PACKAGE}."):
            return handler
        if handler.unary_unary:
            return handler._replace(unary_unary=self._paced_call(handler.unary_unary))
        return handler._replace(stream_stream=self._paced_stream(handler.stream_stream))

    def _paced_call(self, call: Callable[[Any, Context], Awaitable[Any]]) -> Callable[[Any, Context], Awaitable[Any]]:
        async def paced(request: Any, context: Context) -> Any:
            secret, site = _secret(context, getattr(request, "enrolment_key", "")), site_of(peer_ip(context))
            self._callers.admit(secret, site, counted=True)
            try:
                answer = await call(request, context)
            except Unauthenticated:
                self._callers.refuse(secret, site)
                raise
            self._callers.know(secret)
            return answer

        return paced

    def _paced_stream(
        self, call: Callable[[Any, Context], AsyncIterator[Any]]
    ) -> Callable[[Any, Context], AsyncIterator[Any]]:
        async def paced(requests: Any, context: Context) -> AsyncIterator[Any]:
            secret, site = _secret(context), site_of(peer_ip(context))
            self._callers.admit(secret, site, counted=False)  # a token has a stream for each of its jobs
            known = False
            try:
                async for answer in call(requests, context):
                    if not known:
                        self._callers.know(secret)
                        known = True
                    yield answer
            except Unauthenticated:
                self._callers.refuse(secret, site)
                raise

        return paced


def _secret(context: Context, given: str = "") -> str:
    """Return what stands for the secret of a caller, "" when it presents none."""
    if given:
        return digest(given)
    try:
        return digest(bearer(context))
    except Unauthenticated:
        return ""
