"""Shared parts of the gRPC services: the caller's credentials and address, and database calls from an event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache, partial
from typing import Any, ParamSpec, TypeVar
from urllib.parse import unquote

import grpc
from django.conf import settings
from django.db import close_old_connections
from django.utils.translation import gettext_lazy as _

from core.addresses import read_address
from core.errors import InvalidParameter, Unauthenticated
from core.repeats import repeated

P = ParamSpec("P")
T = TypeVar("T")
Context = grpc.aio.ServicerContext[Any, Any]

FIRST_WORD = 30.0  # seconds: a stranger's stream costs something from its first byte
OWN_THREADS = 3


@lru_cache
def _threads(name: str) -> ThreadPoolExecutor:
    """As many threads as there are connections, for more would only wait for one; some are kept for ourselves."""
    size = OWN_THREADS if name == "own" else max(1, settings.MOREH_DB_POOL_SIZE - OWN_THREADS)
    return ThreadPoolExecutor(size, thread_name_prefix=f"database-{name}")


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call what touches the database for a caller; it must be one transaction, for it may be repeated."""
    call = partial(copy_context().run, _with_connection, partial(work, *args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(_threads("calls"), call)


async def in_own_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do the same for the server's own rounds, which must not wait behind a thousand callers."""
    call = partial(_with_connection, partial(work, *args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(_threads("own"), call)


def _with_connection(work: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return repeated(work)
    finally:
        close_old_connections()


async def first_of(messages: AsyncIterator[T]) -> T:
    """Wait for the message that begins a stream. Raises InvalidParameter when none comes."""
    try:
        async with asyncio.timeout(FIRST_WORD):
            return await anext(messages)
    except (StopAsyncIteration, TimeoutError):
        raise InvalidParameter(_("A stream begins with a message."), parameter="message") from None


def bearer(context: Context) -> str:
    """Read the secret that the caller presents. Raises Unauthenticated."""
    for name, value in context.invocation_metadata() or ():
        if name == "authorization":
            scheme, _space, secret = (value if isinstance(value, str) else "").partition(" ")
            if scheme.lower() == "bearer" and secret.strip():
                return secret.strip()
    raise Unauthenticated


def peer_ip(context: Context) -> str:
    """Read the caller's address from gRPC's `ipv4:1.2.3.4:5` or `ipv6:%5B::1%5D:5`; "" when it has none."""
    kind, _colon, place = unquote(context.peer()).partition(":")
    found = read_address(place) if kind in ("ipv4", "ipv6") else None
    return "" if found is None else str(found)
