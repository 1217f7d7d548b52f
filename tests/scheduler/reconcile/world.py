"""A consistent world, into which inconsistencies are planted."""

from typing import Any, NamedTuple

from django.utils import timezone

from backends.models import Backend, Device
from events.models import Event
from scheduler.cycle.tick import tick
from scheduler.models import Job, Worker
from scheduler.reconcile import reconcile
from scheduler.services.sdas import create_sda
from sda.models import Sda
from tests import make


class World(NamedTuple):
    """A node of three devices, of which a job has two; one of four waits; a reserved SDA has a node of its own."""

    node: Backend
    job: Job
    waiting: Job
    rest: Backend
    sda: Sda


def make_world() -> World:
    rest = make.ready_backend(3)
    sda = create_sda(make.token(), make.sda_model(2), reserved=True, actor=make.ACTOR)
    node = make.ready_backend(3)
    make.sql("UPDATE backends_device SET status = 'BUSY' WHERE status = 'IDLE' AND backend_id = %s", rest.pk)
    job = make.running_job(node, num_devices=2)
    waiting = make.job(num_devices=4)
    tick(0)
    assert reconcile() == []
    return World(node, job, waiting, rest, sda)


def on(world: World, sql: str) -> int:
    """Run a statement in which {job}, {node}, … stand for numbers of the world."""
    return make.sql(sql.format(**numbers_of(world), now=f"'{timezone.now():%Y-%m-%d %H:%M:%S.%f}+00'"))


def numbers_of(world: World) -> dict[str, Any]:
    first, second, third = Device.objects.filter(backend=world.node).order_by("index").values_list("pk", flat=True)
    on_rest = Device.objects.filter(backend=world.rest).order_by("index").values_list("pk", flat=True)[0]
    worker = Worker.objects.latest("pk").pk if Worker.objects.exists() else 0
    numbers = {name: row.pk for name, row in world._asdict().items()}
    return numbers | {"first": first, "second": second, "third": third, "on_rest": on_rest, "worker": worker}


def repairs() -> list[tuple[str, str]]:
    events = Event.objects.filter(action="REPAIR").order_by("pk")
    return [(event.subject, event.request["wrong"]) for event in events]
