"""Messages of agents: parse and check them, and build them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from backends.choices import MAX_DEVICES, OrderVerb
from backends.queries import current_sessions, open_orders
from backends.services.agents import AgentHello, ReportedDevice
from backends.services.cards import CardIdentity
from backends.services.telemetry import TelemetryReport
from core.crypto import SecretUnreadable, read_secret
from core.errors import InvalidParameter
from core.texts import cleaned, require_texts
from protocol.measures import measured
from protocol.v1 import agents_pb2 as pb
from scheduler.choices import WorkerState
from scheduler.models import Worker
from scheduler.queries.workers import start_orders
from scheduler.services.workers import take_result

log = structlog.get_logger(__name__)
MAX_MIB = 2**31 - 1
LOG_TAIL_BYTES = 4096


def parse_hello(message: pb.AgentMessage) -> AgentHello:
    """Return the greeting in a Hello. Raises InvalidParameter that names the field."""
    if not message.HasField("hello"):
        raise InvalidParameter(_("A stream begins with hello."), parameter="message")
    hello = message.hello
    require_instance(hello.instance_id)
    if message.boot < 1 or message.sequence < 1:
        raise InvalidParameter(_("Boot and sequence count from 1."), parameter="boot, sequence")
    return AgentHello(
        instance_id=hello.instance_id,
        boot=message.boot,
        sequence=message.sequence,
        version=cleaned(hello.agent_version, 64),
        host_name=cleaned(hello.host_name, 255),
        devices=parse_devices(hello.devices),
        bmc_address=cleaned(hello.bmc_address, 64),
        boot_id=cleaned(hello.boot_id, 64),
    )


def require_instance(instance_id: str) -> None:
    """Raise InvalidParameter for a wrong instance id. Ids are compared, so they are not cleaned as other texts are."""
    if not 1 <= len(instance_id) <= 64:
        raise InvalidParameter(_("1 to 64 characters are needed."), parameter="instance_id")
    require_texts(instance_id=instance_id)


def parse_devices(devices: Iterable[pb.DeviceInfo]) -> tuple[ReportedDevice, ...]:
    """Return the devices of a list in the order of their indexes. Raises InvalidParameter."""
    by_index = {device.index: device for device in devices}
    if any(index >= MAX_DEVICES for index in by_index):
        raise InvalidParameter(_("A node has 0 to 32 devices."), parameter="devices.index")
    return tuple(
        ReportedDevice(index, cleaned(device.model, 64), min(device.memory_mib, MAX_MIB), _card(device))
        for index, device in sorted(by_index.items())
    )


def _card(device: pb.DeviceInfo) -> CardIdentity:
    return CardIdentity(
        uuid=cleaned(device.uuid, 64),
        serial=cleaned(device.serial, 64),
        pci_address=cleaned(device.pci_address, 16),
        driver_version=cleaned(device.driver_version, 64),
        firmware_version=cleaned(device.firmware_version, 64),
    )


def parse_report(
    backend_id: int, session: UUID, message: pb.AgentMessage, clock_skew_ms: int | None = None
) -> TelemetryReport:
    """Return the readings of a Report; what was not measured, or cannot be true, is None."""
    report = message.report
    total = measured("host_memory", report.total_memory_mib) or None  # no host has none
    cpu = report.cpu_percent if report.HasField("cpu_percent") else None
    used = report.used_memory_mib if total and report.HasField("used_memory_mib") else None
    devices = {device.index: _values(device) for device in report.devices if device.index < MAX_DEVICES}
    return TelemetryReport(
        backend_id=backend_id,
        session=session,
        sequence=message.sequence,
        cpu=_rounded("share", cpu),
        used_memory=measured("host_memory", used),
        total_memory=total,
        devices=tuple(devices.items()),
        clock_skew_ms=clock_skew_ms,
    )


def _values(device: pb.DeviceTelemetry) -> tuple[float | None, ...]:
    """Return the values in the order of backends.services.telemetry.VALUES."""

    def value(kind: str, field: str) -> float | None:
        return _rounded(kind, getattr(device, field)) if device.HasField(field) else None  # type: ignore[arg-type]

    return (
        measured("memory", device.used_memory_mib) if device.HasField("used_memory_mib") else None,
        value("temperature", "temperature_celsius"),
        value("temperature", "memory_temperature_celsius"),
        value("share", "utilization_percent"),
        value("share", "memory_utilization_percent"),
        value("power", "power_watts"),
    )


def _rounded(kind: str, value: float | None) -> float | None:
    # A float of the wire has 24 bits: 64.8 would be stored as 64.80000305175781.
    found = measured(kind, value)
    return None if found is None else round(found, 2)


def build_welcome(backend: Any, wanted: Mapping[int, int], report_interval_ms: int) -> pb.Welcome:
    """Return the Welcome of an agent, with the workers that should run and their jobs."""
    return pb.Welcome(
        workers=[pb.ExpectedWorker(worker_id=pk, job_id=job_id) for pk, job_id in wanted.items()],
        report_interval_ms=report_interval_ms,
        backend_id=backend.pk,
        backend_name=backend.name,
        log_tail_bytes=LOG_TAIL_BYTES,
        log_tail_interval_ms=int(settings.MOREH_LOG_TAIL_INTERVAL.total_seconds() * 1000),
    )


@dataclass(frozen=True, slots=True)
class NodeOrders:
    """The current session of each node, the open orders, and those that are due with their messages."""

    current_sessions: dict[int, UUID | None]
    open: set[UUID]
    due: list[tuple[Any, pb.ManagerMessage]]


def read_orders(backend_ids: list[int], is_due: Callable[[Any], bool]) -> NodeOrders:
    """Return the open orders of some nodes, in three queries; a START whose worker no longer starts is never due.

    An order whose message cannot be built ends as failed with the reason; the others are returned.
    """
    current = current_sessions(backend_ids)
    orders = list(open_orders(backend_ids))
    due = [order for order in orders if is_due(order)]
    workers = start_orders(order.ref or 0 for order in due if order.verb == OrderVerb.START)
    messages = [(order, message) for order in due if (message := _build_order(order, workers.get(order.ref or 0)))]
    return NodeOrders(current, {order.pk for order in orders}, messages)


def _build_order(order: Any, worker: Worker | None) -> pb.ManagerMessage | None:
    try:
        message = _order(order, worker)
        if message and message.ByteSize() > settings.MOREH_GRPC_MAX_MESSAGE:
            raise ValueError("it is larger than MOREH_GRPC_MAX_MESSAGE")
    except Exception as error:  # a damaged row must not stop the orders of others
        log.error("order_not_written", order=str(order.pk), backend=order.backend_id, error=type(error).__name__)
        known = error.place if isinstance(error, SecretUnreadable) else type(error).__name__
        reason = f"the order cannot be written: {known}"
        take_result(order.backend, order.pk, ok=False, error=reason)
        return None
    return message


def _order(order: Any, worker: Worker | None) -> pb.ManagerMessage | None:
    message = pb.Order(order_id=str(order.pk))
    if order.verb == OrderVerb.START:
        if worker is None or worker.state != WorkerState.STARTING:
            return None
        message.start.CopyFrom(_start(worker))
    elif order.verb == OrderVerb.STOP:
        message.stop.CopyFrom(pb.StopWorker(worker_id=order.ref or 0))
    elif order.verb == OrderVerb.CLEAN:
        _require(order.devices)
        message.clean.CopyFrom(pb.CleanDevices(device_indexes=order.devices, worker_id=order.ref or 0))
    elif order.verb == OrderVerb.RESET:
        _require(order.devices)
        message.reset.CopyFrom(pb.ResetDevices(device_indexes=order.devices))
    elif order.verb == OrderVerb.REBOOT:
        message.reboot.CopyFrom(pb.Reboot())
    else:
        command = order.backend.group.check_command
        message.check.CopyFrom(pb.CheckHealth(health_check_command=command, device_indexes=order.devices))
    return pb.ManagerMessage(order=message)


def _require(devices: list[int]) -> None:
    """Raise ValueError for an empty list: a damaged list of devices is read as an empty one."""
    if not devices:
        raise ValueError("there are no devices")


def _start(worker: Worker) -> pb.StartWorker:
    _require(worker.devices)
    return pb.StartWorker(
        worker_id=worker.pk,
        job_id=worker.job_id,
        attempt=worker.attempt,
        device_indexes=worker.devices,
        env=read_secret(worker.env, worker.token_id),  # type: ignore[attr-defined] # of start_orders
        preflight_command=worker.check_command if worker.preflight else None,  # type: ignore[attr-defined]
    )
