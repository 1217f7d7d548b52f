"""What all gRPC doors need: who calls, and the database from an event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any, ParamSpec, TypeVar
from urllib.parse import unquote

import grpc
from django.conf import settings
from django.db import OperationalError, close_old_connections
from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.errors import InvalidParameter, Unauthenticated

P = ParamSpec("P")
T = TypeVar("T")
Context = grpc.aio.ServicerContext[Any, Any]

FIRST_WORD = 30.0  # seconds: a stranger's stream costs something from its first byte
TRIES = 3
REPEATABLE = {"40001", "40P01"}  # PostgreSQL rolled one of two transactions back so that the other could go on


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    """As many threads as there are connections: more would only wait for one."""
    return ThreadPoolExecutor(settings.MOREH_DB_POOL_SIZE, thread_name_prefix="database")


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call what touches the database in a thread; it must be one transaction, for it may be repeated."""
    call = partial(_with_connection, partial(work, *args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(_threads(), call)


def _with_connection(work: Callable[[], T]) -> T:
    for left in reversed(range(TRIES)):
        close_old_connections()
        try:
            return work()
        except OperationalError as error:
            if not left or getattr(error.__cause__, "sqlstate", None) not in REPEATABLE:
                raise
        finally:
            close_old_connections()
    raise AssertionError("unreachable")


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
    return place.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else ""
