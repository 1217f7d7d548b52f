"""A consistent world in unusual states."""

from typing import Any, NamedTuple

from backends.models import Backend, Device
from core.clock import db_now
from scheduler.cycle.tick import tick
from scheduler.models import Job, Worker
from scheduler.services.sdas import create_sda
from sda.models import Sda
from tests import make


class World(NamedTuple):
    """`job` runs over `one` and `two`, `guest` on `sda`, which reserves `rest`; `spare` has one free device."""

    sda: Sda
    rest: Backend
    one: Backend
    two: Backend
    spare: Backend
    job: Job
    guest: Job
    waiting: Job


def make_world() -> World:
    rest = make.ready_backend(2)
    sda = create_sda(make.token(), make.sda_model(2), reserved=True, actor=make.ACTOR)
    one, two = make.ready_backend(2), make.ready_backend(2)
    job, guest = make.job(num_devices=4), make.job(sda)
    tick(0)
    for node in (rest, one, two):
        make.answer(node, "START")
    spare, waiting = make.ready_backend(1), make.job(num_devices=4)
    tick(0)
    assert set(Job.objects.filter(pk__in=[job.pk, guest.pk]).values_list("status", flat=True)) == {"RUNNING"}
    return World(sda, rest, one, two, spare, job, guest, waiting)


def numbers_of(world: World) -> dict[str, Any]:
    first, second = Device.objects.filter(backend=world.rest).order_by("index").values_list("pk", flat=True)
    return {name: row.pk for name, row in world._asdict().items()} | {
        "first": first,
        "second": second,
        "in_use": Device.objects.filter(backend=world.one).earliest("index").pk,
        "free": world.spare.devices.get().pk,
        "at_guest": Worker.objects.get(job=world.guest).pk,
        "of_job": world.job.sda_id,
        "customer": world.job.token_id,
        "owner": world.sda.token_id,
        "now": f"'{db_now():%Y-%m-%d %H:%M:%S.%f}+00'",
    }
