"""Bounds of the texts and lists in callers' messages: one bound for each such field of each message."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from typing import Any, NamedTuple

import grpc
import structlog
from django.utils.translation import gettext_lazy as _
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from core.errors import InvalidParameter
from core.rpc import Context
from protocol import wire

log = structlog.get_logger(__name__)
DEVICES = 32  # of a node
WORKERS = 2 * DEVICES  # on each device one that ends and one that starts
FACTS = 32  # about each device; an agent sends no more
LOG_TAIL = 16 * 1024  # bytes; more than any agent is asked for
REMARK = 512  # characters of a text for people


class Bound(NamedTuple):
    """At most `most` characters, or entries of at most `each` characters. What is longer is refused, or cut."""

    most: int
    each: int = 0
    cut: bool = False


BOUNDS = {
    "Hello.instance_id": Bound(64),
    "Hello.host_name": Bound(255, cut=True),
    "Hello.addresses": Bound(16, each=64),
    "Hello.agent_version": Bound(64, cut=True),
    "Hello.software_versions": Bound(64, each=REMARK),
    "Hello.devices": Bound(DEVICES),
    "Hello.workers": Bound(WORKERS),
    "Hello.bmc_address": Bound(64, cut=True),
    "Hello.boot_id": Bound(64, cut=True),
    "DeviceInfo.model": Bound(64, cut=True),
    "DeviceInfo.uuid": Bound(64, cut=True),
    "DeviceInfo.serial": Bound(64, cut=True),
    "DeviceInfo.pci_address": Bound(16, cut=True),
    "DeviceInfo.driver_version": Bound(64, cut=True),
    "DeviceInfo.firmware_version": Bound(64, cut=True),
    "RunningWorker.device_indexes": Bound(DEVICES),
    "RunningWorker.address": Bound(64, cut=True),
    "Report.devices": Bound(DEVICES),
    "Report.worker_ids": Bound(WORKERS),
    "Report.device_health": Bound(DEVICES),
    "DeviceHealth.facts": Bound(FACTS),
    "HealthFact.text": Bound(REMARK, cut=True),
    "Health.text": Bound(REMARK, cut=True),
    "Ack.order_id": Bound(36),
    "Result.order_id": Bound(36),
    "Result.error": Bound(REMARK, cut=True),
    "Result.address": Bound(64, cut=True),
    "Result.failed_devices": Bound(DEVICES),
    "Result.busy_devices": Bound(DEVICES),
    "WorkerLost.detail": Bound(REMARK, cut=True),
    "LogPiece.request_id": Bound(64),
    "LogPiece.data": Bound(wire.MAX_LOG_PIECE),
    "LogTail.data": Bound(LOG_TAIL),
    "EnrolRequest.enrolment_key": Bound(REMARK),
    "EnrolRequest.name": Bound(128),
    "EnrolRequest.addresses": Bound(16, each=64),
    "EnrolRequest.devices": Bound(DEVICES),
    "EnrolRequest.instance_id": Bound(64),
    "Open.request_id": Bound(64),
    "Open.process_name": Bound(255, cut=True),
    "Open.framework": Bound(64, cut=True),
    "Open.client_version": Bound(64, cut=True),
    "Resume.resume_key": Bound(REMARK),
    "ReadLogRequest.positions": Bound(64),
    "Heartbeat.devices": Bound(65_536),
    "DeviceUse.host": Bound(255, cut=True),
}


class _Field(NamedTuple):
    """A field that has a bound, or holds messages that have some."""

    name: str
    full_name: str
    bound: Bound | None
    is_map: bool
    has_parts: bool
    is_repeated: bool


def keep_bounds(message: Message) -> None:
    """Cut the texts that may be cut. Raise InvalidParameter, which names the field, where anything else is too long."""
    for field in _fields(message.DESCRIPTOR):
        if field.bound:
            _check(message, field, field.bound)
        if field.has_parts and field.is_repeated:
            for part in getattr(message, field.name):
                keep_bounds(part)
        elif field.has_parts and message.HasField(field.name):
            keep_bounds(getattr(message, field.name))


def _check(message: Message, field: _Field, bound: Bound) -> None:
    value = getattr(message, field.name)
    if len(value) > bound.most and bound.cut:
        setattr(message, field.name, value[: bound.most])
        _log_once(field.full_name, bound.most)
        return
    words = [*value, *value.values()] if field.is_map else value
    if len(value) > bound.most or (bound.each and any(len(word) > bound.each for word in words)):
        raise InvalidParameter(_("This is too long."), parameter=field.name, most=bound.most)


@cache
def _fields(kind: Descriptor) -> tuple[_Field, ...]:
    """Return what of a message must be looked at; all else costs nothing."""
    fields = (_field(kind, field) for field in kind.fields)
    return tuple(field for field in fields if field.bound or field.has_parts)


def _field(kind: Descriptor, field: FieldDescriptor) -> _Field:
    name = f"{kind.name}.{field.name}"
    is_map = field.message_type is not None and bool(field.message_type.GetOptions().map_entry)
    has_parts = field.message_type is not None and not is_map and bool(_fields(field.message_type))
    return _Field(field.name, name, BOUNDS.get(name), is_map, has_parts, field.is_repeated)


@cache
def _log_once(field: str, most: int) -> None:
    """Log that a text was cut, once for each field: a caller that does it once does it in each message."""
    log.warning("text_cut", field=field, most=most)


class Bounds(grpc.aio.ServerInterceptor):
    """Stands before every call of ours, within the one that turns errors into statuses."""

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(f"/{wire.PACKAGE}."):
            return handler
        if handler.unary_unary:
            return handler._replace(unary_unary=_bound_call(handler.unary_unary))
        return handler._replace(stream_stream=_bound_stream(handler.stream_stream))


def _bound_call(call: Callable[[Any, Context], Awaitable[Any]]) -> Callable[[Any, Context], Awaitable[Any]]:
    async def bounded(request: Any, context: Context) -> Any:
        keep_bounds(request)
        return await call(request, context)

    return bounded


def _bound_stream(call: Callable[[Any, Context], AsyncIterator[Any]]) -> Callable[[Any, Context], AsyncIterator[Any]]:
    def bounded(requests: Any, context: Context) -> AsyncIterator[Any]:
        return call(_bounded_messages(requests), context)

    return bounded


async def _bounded_messages(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for message in requests:
        keep_bounds(message)
        yield message
