"""A token's accelerators as its VM sees them."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from backends.queries import memory_of_a_device
from moreh_cloud.lib.errors import NotFound
from protocol.v1 import accelerators_pb2 as pb
from scheduler.models import Allocation, Job
from scheduler.queries import held_by_token, live_jobs_of
from sda.models import Sda
from sda.queries import access_of, backend_group_of, live_sdas
from tokens.models import Token

Row = TypeVar("Row", Allocation, Job)


def sda_messages(token: Token) -> list[pb.Sda]:
    """List the SDAs of a token, oldest first, with what each holds and runs now."""
    held, jobs = _by_sda(held_by_token(token)), _by_sda(live_jobs_of(token))
    sdas = live_sdas(token)
    return [_sda(number, sda, held.get(sda.pk, []), jobs.get(sda.pk, [])) for number, sda in enumerate(sdas)]


def sda_message(token: Token, sda_id: int) -> pb.Sda:
    """Show one SDA of a token. Raises NotFound."""
    for message in sda_messages(token):
        if message.sda_id == sda_id:
            return message
    raise NotFound(sdaId=sda_id)


def model_messages(token: Token) -> list[pb.Model]:
    """List every way in which a token may use a model."""
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


def _by_sda(rows: Iterable[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row.sda_id, []).append(row)
    return found


def _sda(number: int, sda: Sda, held: Sequence[Allocation], jobs: Sequence[Job]) -> pb.Sda:
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
        message.used_memory_mib = sum(device.used_memory_mib for device in devices)
        message.utilization_percent = sum(device.utilization_percent for device in devices) / len(devices)
        message.temperature_celsius = max(device.temperature_celsius for device in devices)
        message.power_watts = sum(device.power_watts for device in devices)
    return message


def _total_memory(sda: Sda, devices: Sequence[pb.HeldDevice]) -> int:
    if devices:
        return sum(device.total_memory_mib for device in devices)
    return sda.model.num_devices * memory_of_a_device(backend_group_of(sda))


def _device(allocation: Allocation) -> pb.HeldDevice:
    device = allocation.device
    message = pb.HeldDevice(
        host=device.backend.name, index=device.index, model=device.model, total_memory_mib=device.total_memory
    )
    latest = getattr(device, "telemetry", None)
    if latest:
        message.used_memory_mib, message.power_watts = latest.used_memory, latest.power
        message.temperature_celsius, message.utilization_percent = latest.temperature, latest.utilization
    return message


def _process(job: Job) -> pb.Process:
    return pb.Process(
        job_id=job.pk,
        pid=job.pid,
        process_name=job.process_name,
        used_memory_mib=job.used_memory,
        status=job.status,
    )
