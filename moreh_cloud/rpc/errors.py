"""Every error of a call becomes a status with google.rpc.ErrorInfo, whose reason is the code that REST shows."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import grpc
import structlog
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from core.errors import DomainError
from core.outages import of_ours, storage_code
from core.rpc import Context
from moreh_cloud.rpc.decoding import Decoded, decoded, patient
from protocol import wire

log = structlog.get_logger(__name__)
Code = grpc.StatusCode
STATUS = {
    "INVALID_PARAMETER": Code.INVALID_ARGUMENT,
    "UNAUTHENTICATED": Code.UNAUTHENTICATED,
    "FORBIDDEN": Code.PERMISSION_DENIED,
    "MODEL_NOT_ALLOWED": Code.PERMISSION_DENIED,
    "NOT_FOUND": Code.NOT_FOUND,
    "CONFLICT": Code.ABORTED,
    "DUPLICATE": Code.ALREADY_EXISTS,
    "THROTTLED": Code.RESOURCE_EXHAUSTED,
    "TOO_MANY_JOBS": Code.RESOURCE_EXHAUSTED,
    "TRY_AGAIN": Code.RESOURCE_EXHAUSTED,
    "DATABASE_ERROR": Code.UNAVAILABLE,
    "BROKER_ERROR": Code.UNAVAILABLE,
    "SHUTTING_DOWN": Code.UNAVAILABLE,
    "INTERNAL_ERROR": Code.INTERNAL,
}  # every other code says that the state of things forbids it now


STORAGE = dict.fromkeys(("CONFLICT", "INVALID_PARAMETER"), "The database refused it, and nothing was changed.")


class ShuttingDown(DomainError):
    """The server ends; another one, or this one after a restart, will answer."""

    code = "SHUTTING_DOWN"
    message = "This server is going down; connect again."


def status_of(error: Exception) -> grpc.Status:
    """Return the gRPC status of an error. An unforeseen one is logged under an id that the caller can quote."""
    if isinstance(error, DomainError):
        details = {key: str(value) for key, value in error.details.items()}
        return _status(error.code, str(error), details, error.retry_after)
    if code := storage_code(error):
        log.warning("storage_failed", code=code, error=type(error).__name__, exc_info=of_ours(error))
        return _status(code, STORAGE.get(code, "A service that is needed does not answer; try again."), {})
    quote = uuid4().hex
    log.error("call_failed", id=quote, exc_info=error)
    return _status("INTERNAL_ERROR", f"Something went wrong (id {quote}).", {"id": quote})


def _status(reason: str, message: str, details: dict[str, str], retry_after: float | None = None) -> grpc.Status:
    code: int = STATUS.get(reason, Code.FAILED_PRECONDITION).value[0]
    found: list[Message] = [ErrorInfo(reason=reason, domain=wire.ERROR_DOMAIN, metadata=details)]
    if retry_after is not None:
        found.append(RetryInfo(retry_delay=Duration(nanos=int(retry_after % 1 * 1e9), seconds=int(retry_after))))
    packed = [Packed() for _detail in found]
    for detail, box in zip(found, packed, strict=True):
        box.Pack(detail)
    status: grpc.Status = rpc_status.to_status(Status(code=code, message=message, details=packed))
    return status


class Errors(grpc.aio.ServerInterceptor):
    """Stands around every call; of health and reflection only a refusal of ours is turned into a status."""

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method: str = handler_call_details.method
        caught = Exception if method.startswith(f"/{wire.PACKAGE}.") else DomainError
        read = patient(handler.request_deserializer)
        if handler.request_streaming:
            guarded: Any = _guard_stream(handler.stream_stream, method, caught)
            return handler._replace(request_deserializer=read, stream_stream=guarded)
        kind = "unary_stream" if handler.response_streaming else "unary_unary"
        guarded = _guard_call(getattr(handler, kind), method, caught)
        return handler._replace(request_deserializer=read, **{kind: guarded})


def _guard_call(
    call: Callable[[Any, Context], Awaitable[Any]], method: str, caught: type[Exception]
) -> Callable[[Any, Context], Awaitable[Any]]:
    async def guarded(request: Any, context: Context) -> Any:
        try:
            return await call(decoded(request, method, context), context)
        except caught as error:
            await context.abort_with_status(status_of(error))

    return guarded


def _guard_stream(
    call: Callable[[Any, Context], AsyncIterator[Any]], method: str, caught: type[Exception]
) -> Callable[[Any, Context], AsyncIterator[Any]]:
    async def guarded(requests: Any, context: Context) -> AsyncIterator[Any]:
        try:
            async for answer in call(Decoded(requests, method, context), context):
                yield answer
        except caught as error:
            await context.abort_with_status(status_of(error))

    return guarded


class CannotListen(Exception):
    """The server cannot listen; the text names the setting that is wrong."""


class PortTaken(CannotListen):
    """Another process listens on the address."""

    def __init__(self, address: str) -> None:
        super().__init__(f"Port {address} is taken.")
