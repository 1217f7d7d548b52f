"""What agents say, checked and in our terms; what we say to them."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from backends.choices import OrderVerb
from backends.models import Backend, Order
from backends.models.nodes import MAX_DEVICES
from backends.queries import open_orders, speakers
from backends.services.agents import Greeting, SeenDevice
from backends.services.telemetry import Reading
from moreh_cloud.lib.errors import InvalidParameter
from protocol.v1 import agents_pb2 as pb
from scheduler.choices import WorkerState
from scheduler.models import Worker
from scheduler.queries import start_orders

MAX_MIB = 2**31 - 1


def greeting_of(message: pb.AgentMessage) -> Greeting:
    """Read a Hello. Raises InvalidParameter that names the field."""
    if not message.HasField("hello"):
        raise InvalidParameter(_("A stream begins with hello."), parameter="message")
    hello = message.hello
    if not 1 <= len(hello.instance_id) <= 64:
        raise InvalidParameter(_("1 to 64 characters are needed."), parameter="instance_id")
    if message.boot < 1 or message.sequence < 1:
        raise InvalidParameter(_("Boot and sequence count from 1."), parameter="boot, sequence")
    for name in ("instance_id", "agent_version", "host_name"):
        if "\0" in getattr(hello, name):
            raise InvalidParameter(_("A text must not contain the character NUL."), parameter=name)
    return Greeting(
        instance_id=hello.instance_id,
        boot=message.boot,
        sequence=message.sequence,
        version=hello.agent_version,
        host_name=hello.host_name,
        devices=seen_devices(hello.devices),
    )


def seen_devices(devices: Iterable[pb.DeviceInfo]) -> tuple[SeenDevice, ...]:
    """Read a list of devices. Raises InvalidParameter."""
    seen = {device.index: device for device in devices}
    if any(index >= MAX_DEVICES for index in seen):
        raise InvalidParameter(_("A node has 0 to 32 devices."), parameter="devices.index")
    return tuple(
        SeenDevice(index, device.model.replace("\0", "")[:64], min(device.memory_mib, MAX_MIB))
        for index, device in sorted(seen.items())
    )


def reading_of(backend_id: int, session: UUID, message: pb.AgentMessage) -> Reading:
    """Read a Report; what could not be measured counts as 0."""
    report = message.report
    return Reading(
        backend_id=backend_id,
        session=session,
        sequence=message.sequence,
        cpu=_finite(report.cpu_percent),
        used_memory=min(report.used_memory_mib, 2**63 - 1),
        total_memory=min(report.total_memory_mib, 2**63 - 1),
        devices=tuple((index, values) for index, values in {d.index: _values(d) for d in report.devices}.items()),
    )


def _values(device: pb.DeviceTelemetry) -> tuple[float, ...]:
    """In the order of backends.services.telemetry.VALUES."""
    return (
        min(device.used_memory_mib, MAX_MIB),
        _finite(device.temperature_celsius),
        _finite(device.memory_temperature_celsius),
        _finite(device.utilization_percent),
        _finite(device.memory_utilization_percent),
        _finite(device.power_watts),
    )


def _finite(value: float) -> float:
    # A float of the wire has 24 bits: 64.8 would be told as 64.80000305175781 ever after.
    return round(value, 2) if math.isfinite(value) else 0.0


def welcome_to(backend: Backend, wanted: Iterable[int], report_interval_ms: int) -> pb.Welcome:
    """Say what an agent shall be running."""
    jobs = Worker.objects.filter(pk__in=list(wanted)).values_list("pk", "job_id")
    return pb.Welcome(
        workers=[pb.ExpectedWorker(worker_id=pk, job_id=job_id) for pk, job_id in jobs],
        report_interval_ms=report_interval_ms,
        backend_id=backend.pk,
        backend_name=backend.name,
    )


@dataclass(frozen=True, slots=True)
class Orders:
    """What the streams of some nodes must know: who speaks for each, and which orders are open and due."""

    speakers: dict[int, UUID | None]
    open: set[UUID]
    due: list[tuple[Order, pb.ManagerMessage]]


def read_orders(backend_ids: list[int], is_due: Callable[[Order], bool]) -> Orders:
    """Read the open orders of some nodes, in three queries; a START that nobody wants any more is never due."""
    speaking = speakers(backend_ids)
    orders = list(open_orders(backend_ids))
    due = [order for order in orders if is_due(order)]
    workers = start_orders(order.ref or 0 for order in due if order.verb == OrderVerb.START)
    messages = [(order, message) for order in due if (message := _order(order, workers.get(order.ref or 0)))]
    return Orders(speaking, {order.pk for order in orders}, messages)


def _order(order: Order, worker: Worker | None) -> pb.ManagerMessage | None:
    message = pb.Order(order_id=str(order.pk))
    if order.verb == OrderVerb.START:
        if worker is None or worker.state != WorkerState.STARTING:
            return None
        message.start.CopyFrom(_start(worker))
    elif order.verb == OrderVerb.STOP:
        message.stop.CopyFrom(pb.StopWorker(worker_id=order.ref or 0))
    elif order.verb == OrderVerb.CLEAN:
        message.clean.CopyFrom(pb.CleanDevices(device_indexes=order.devices, worker_id=order.ref or 0))
    else:
        message.check.SetInParent()
    return pb.ManagerMessage(order=message)


def _start(worker: Worker) -> pb.StartWorker:
    return pb.StartWorker(
        worker_id=worker.pk,
        job_id=worker.job_id,
        attempt=worker.attempt,
        device_indexes=worker.devices,
        env=worker.job.token.env,
    )
