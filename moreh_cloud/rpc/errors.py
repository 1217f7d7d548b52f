"""Every error of a call becomes a status with google.rpc.ErrorInfo, whose reason is the code that REST shows."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import grpc
import structlog
from django.db import InterfaceError, OperationalError
from google.protobuf.any_pb2 import Any as Packed
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from moreh_cloud.lib.errors import DomainError
from moreh_cloud.lib.rpc import Context
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
    "DATABASE_ERROR": Code.UNAVAILABLE,
    "SHUTTING_DOWN": Code.UNAVAILABLE,
    "INTERNAL_ERROR": Code.INTERNAL,
}  # every other code says that the state of things forbids it now


class ShuttingDown(DomainError):
    code = "SHUTTING_DOWN"
    message = "This server is going down; connect again."


def status_of(error: Exception) -> grpc.Status:
    """Say in gRPC's terms what went wrong; what nobody foresaw is logged under an id that the caller can quote."""
    if isinstance(error, DomainError):
        return _status(error.code, str(error), {key: str(value) for key, value in error.details.items()})
    if isinstance(error, OperationalError | InterfaceError):
        log.warning("database_unavailable", error=type(error).__name__)
        return _status("DATABASE_ERROR", "The database does not answer; try again.", {})
    quote = uuid4().hex
    log.error("call_failed", id=quote, exc_info=error)
    return _status("INTERNAL_ERROR", f"Something went wrong (id {quote}).", {"id": quote})


def _status(reason: str, message: str, details: dict[str, str]) -> grpc.Status:
    code: int = STATUS.get(reason, Code.FAILED_PRECONDITION).value[0]
    packed = Packed()
    packed.Pack(ErrorInfo(reason=reason, domain=wire.ERROR_DOMAIN, metadata=details))
    status: grpc.Status = rpc_status.to_status(Status(code=code, message=message, details=[packed]))
    return status


class Errors(grpc.aio.ServerInterceptor):
    """Stands around every call of ours."""

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(f"/{wire.PACKAGE}."):
            return handler
        if handler.unary_unary:
            return handler._replace(unary_unary=_guard_call(handler.unary_unary))
        return handler._replace(stream_stream=_guard_stream(handler.stream_stream))


def _guard_call(call: Callable[[Any, Context], Awaitable[Any]]) -> Callable[[Any, Context], Awaitable[Any]]:
    async def guarded(request: Any, context: Context) -> Any:
        try:
            return await call(request, context)
        except Exception as error:
            await context.abort_with_status(status_of(error))

    return guarded


def _guard_stream(call: Callable[[Any, Context], AsyncIterator[Any]]) -> Callable[[Any, Context], AsyncIterator[Any]]:
    async def guarded(requests: Any, context: Context) -> AsyncIterator[Any]:
        try:
            async for answer in call(requests, context):
                yield answer
        except Exception as error:
            await context.abort_with_status(status_of(error))

    return guarded
