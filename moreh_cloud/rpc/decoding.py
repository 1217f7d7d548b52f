"""Bytes that are no message: the caller is told so, and the log has one line instead of a traceback."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any, NamedTuple

import structlog
from django.utils.translation import gettext_lazy as _
from google.protobuf.message import DecodeError

from core.addresses import site_of
from core.errors import InvalidParameter
from core.repeated_lines import RepeatCounter
from core.rpc import Context, peer_ip

log = structlog.get_logger(__name__)
NO_MESSAGE = object()
"""What stands in for bytes that cannot be decoded, until the call can be refused."""


class Undecodable(NamedTuple):
    """A kind of undecodable messages: where they come from, and for which method."""

    site: str
    method: str


_repeats = RepeatCounter("undecodable_messages", Undecodable("", ""))


def patient(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Return a reader that raises nothing: gRPC would call that a fault of the server, and log a traceback."""

    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            return NO_MESSAGE

    return read


def decoded(request: Any, method: str, context: Context) -> Any:
    """Return a message. Raises InvalidParameter."""
    if request is not NO_MESSAGE:
        return request
    kind = Undecodable(site_of(peer_ip(context)), method)
    if _repeats.is_first(kind):
        log.warning("undecodable_message", **kind._asdict())
    raise InvalidParameter(_("The message cannot be decoded."), parameter="message")


class Decoded:
    """The messages of a stream, as an iterator that raises InvalidParameter."""

    def __init__(self, requests: AsyncIterable[Any], method: str, context: Context) -> None:
        self._stream = requests
        self._requests: AsyncIterator[Any] | None = None  # of a stream that is refused, none is ever asked for
        self._method, self._context = method, context

    def __aiter__(self) -> "Decoded":
        return self

    async def __anext__(self) -> Any:
        if self._requests is None:
            self._requests = aiter(self._stream)
        return decoded(await anext(self._requests), self._method, self._context)
