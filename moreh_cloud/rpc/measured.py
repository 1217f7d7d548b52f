"""How long gRPC calls take, how they end, and how many streams are open."""

from asyncio import CancelledError
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import grpc

from core.measures import DURATIONS, Counter, Gauge, Histogram
from core.rpc import Context
from protocol import wire

CALLS = Histogram(
    "moreh_grpc_call_duration_seconds", "Durations of gRPC calls that are no streams.", ("method",), DURATIONS
)
ENDED = Counter("moreh_grpc_calls_total", "gRPC calls and streams that have ended, by status.", ("method", "code"))
STREAMS = Gauge("moreh_grpc_streams", "gRPC streams that are open.", ("method",))
CODES = {code.value[0]: code.name for code in grpc.StatusCode}


class MeasuredCalls(grpc.aio.ServerInterceptor):
    """Stands around every call of ours, also around what turns errors into statuses."""

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        handler = await continuation(handler_call_details)
        method: str = handler_call_details.method
        if handler is None or not method.startswith(f"/{wire.PACKAGE}."):
            return handler
        name = method.removeprefix(f"/{wire.PACKAGE}.")
        if handler.unary_unary:
            return handler._replace(unary_unary=_call(handler.unary_unary, name))
        return handler._replace(stream_stream=_stream(handler.stream_stream, name))


def _call(call: Callable[[Any, Context], Awaitable[Any]], name: str) -> Callable[[Any, Context], Awaitable[Any]]:
    async def measured(request: Any, context: Context) -> Any:
        begin = perf_counter()
        with _counted(name, context):
            try:
                return await call(request, context)
            finally:
                CALLS.add(name, value=perf_counter() - begin)

    return measured


def _stream(
    call: Callable[[Any, Context], AsyncIterator[Any]], name: str
) -> Callable[[Any, Context], AsyncIterator[Any]]:
    async def measured(requests: Any, context: Context) -> AsyncIterator[Any]:
        STREAMS.add(name)
        try:
            with _counted(name, context):
                async for answer in call(requests, context):
                    yield answer
        finally:
            STREAMS.add(name, number=-1)

    return measured


@contextmanager
def _counted(name: str, context: Context) -> Iterator[None]:
    """Count how the call ends: the server is told of a client that has gone by an exception."""
    try:
        yield
    except (CancelledError, GeneratorExit):
        ENDED.add(name, CODES[grpc.StatusCode.CANCELLED.value[0]])
        raise
    except BaseException:
        ENDED.add(name, _code(context))
        raise
    ENDED.add(name, _code(context))


def _code(context: Any) -> str:
    code = context.code()
    return CODES.get(code.value[0] if isinstance(code, grpc.StatusCode) else code or 0, "UNKNOWN")
