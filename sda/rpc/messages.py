"""Messages to a VM about the SDAs and models of its token."""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from backends.queries import memory_of_a_device
from core.errors import NotFound
from protocol.v1 import accelerators_pb2 as pb
from scheduler.queries.allocations import held_by_token
from scheduler.queries.jobs import live_jobs_of
from sda.models import Sda
from sda.queries import access_of, backend_group_of, live_sdas


def sda_messages(token: Any) -> list[pb.Sda]:
    """Return the SDAs of a token, oldest first, with their devices and live jobs."""
    held, jobs = _by_sda(held_by_token(token)), _by_sda(live_jobs_of(token))
    sdas = live_sdas(token)
    return [_sda(number, sda, held.get(sda.pk, []), jobs.get(sda.pk, [])) for number, sda in enumerate(sdas)]


def sda_message(token: Any, sda_id: int) -> pb.Sda:
    """Return one SDA of a token. Raises NotFound."""
    for message in sda_messages(token):
        if message.sda_id == sda_id:
            return message
    raise NotFound(sdaId=sda_id)


def model_messages(token: Any) -> list[pb.Model]:
    """Return every way in which a token may use a model."""
    current = live_sdas(token).filter(current=True).first()
    used = (current.model_id, current.model_group_id) if current else None
    return [
        pb.Model(
            model_id=way.model.pk,
            name=way.model.name,
            description=way.model.description,
            device_count=way.model.num_devices,
            model_group_id=way.group.pk if way.group else 0,
            model_group_name=way.group.name if way.group else "",
            current=used == (way.model.pk, way.group and way.group.pk),
        )
        for way in access_of(token)
    ]


def _by_sda(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.sda_id, []).append(row)
    return found


def _sda(number: int, sda: Sda, held: Sequence[Any], jobs: Sequence[Any]) -> pb.Sda:
    devices = [_device(allocation) for allocation in held]
    message = pb.Sda(
        sda_id=sda.pk,
        number=number,
        name=sda.alias,
        model_id=sda.model_id,
        model_name=sda.model.name,
        device_count=sda.model.num_devices,
        total_memory_mib=_total_memory(sda, devices),
        current=sda.current,
        reserved=sda.reserved,
        processes=[_process(job) for job in jobs],
        devices=devices,
    )
    if sda.model_group:
        message.model_group_id, message.model_group_name = sda.model_group.pk, sda.model_group.name
    if devices:
        _summarize(message, devices)
    return message


def _summarize(message: pb.Sda, devices: Sequence[pb.HeldDevice]) -> None:
    """Set sums, averages and maxima of the devices' values; a value that no device measured stays absent."""
    for name, together in (
        ("used_memory_mib", sum),
        ("utilization_percent", fmean),
        ("temperature_celsius", max),
        ("power_watts", sum),
    ):
        if known := [getattr(device, name) for device in devices if device.HasField(name)]:  # type: ignore[arg-type]
            setattr(message, name, together(known))


def _total_memory(sda: Sda, devices: Sequence[pb.HeldDevice]) -> int:
    if devices:
        return sum(device.total_memory_mib for device in devices)
    return sda.model.num_devices * memory_of_a_device(backend_group_of(sda))


def _device(allocation: Any) -> pb.HeldDevice:
    device = allocation.device
    latest = getattr(device, "telemetry", None)  # None: nothing was ever reported
    return pb.HeldDevice(
        host=device.backend.name,
        index=device.index,
        model=device.model,
        total_memory_mib=device.total_memory,
        used_memory_mib=latest and latest.used_memory,
        temperature_celsius=latest and latest.temperature,
        utilization_percent=latest and latest.utilization,
        power_watts=latest and latest.power,
    )


def _process(job: Any) -> pb.Process:
    return pb.Process(
        job_id=job.pk,
        pid=job.pid,
        process_name=job.process_name,
        used_memory_mib=job.used_memory,
        status=job.status,
    )
