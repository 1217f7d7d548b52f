from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Value, When

from backends.choices import BackendStatus, DeviceStatus, Why
from backends.errors import ClaimedTwice, StaleAgent
from backends.models import Agent, Backend, Device, FormerModel, ManagerPresence
from backends.services.nodes import add_devices
from moreh_cloud.alerts.choices import Category, Level
from moreh_cloud.alerts.services import raise_alert
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.clock import db_now


@dataclass(frozen=True, slots=True)
class SeenDevice:
    index: int
    model: str
    total_memory: int


@dataclass(frozen=True, slots=True)
class Greeting:
    """What an agent says of itself when its stream opens."""

    instance_id: str
    boot: int
    sequence: int
    version: str
    host_name: str
    devices: tuple[SeenDevice, ...]


def open_session(backend: Backend, greeting: Greeting, session: UUID, *, actor: Actor) -> None:
    """Let one stream speak for the node, in the caller's transaction.

    Raises StaleAgent for an earlier start or message of the same installation, ClaimedTwice (with an alert that the
    door raises after the roll-back) while another installation is alive.
    """
    agent = Agent.objects.select_for_update().get(backend=backend)
    now = db_now()
    if agent.instance_id == greeting.instance_id:
        if (greeting.boot, greeting.sequence) <= (agent.boot, agent.sequence):
            raise StaleAgent(boot=greeting.boot, sequence=greeting.sequence)
    elif agent.session and agent.last_seen and now - agent.last_seen < settings.MOREH_SILENT_AFTER:
        raise ClaimedTwice(id=backend.pk)
    Agent.objects.filter(pk=agent.pk).update(
        instance_id=greeting.instance_id,
        boot=greeting.boot,
        sequence=greeting.sequence,
        session=session,
        last_seen=now,
        version=greeting.version[:64],
        host_name=greeting.host_name[:255],
    )
    record("AGENT_HELLO", actor=actor, subject=f"backend/{backend.pk}", version=greeting.version, boot=greeting.boot)


def report_double_claim(backend: Backend, *, ip_address: str) -> None:
    """Alert the operators that two agents claim one node."""
    raise_alert(
        Category.NODE_CLAIMED_TWICE,
        subject=f"backend/{backend.pk}",
        content=f"An agent at {ip_address} claims node {backend.name}, whose own agent is alive; it was refused.",
        level=Level.CRITICAL,
    )


@contextmanager
def speaking(backend: Backend, session: UUID) -> Iterator[None]:
    """Run a transaction in which only this stream speaks for the node. Raises StaleAgent."""
    with transaction.atomic():
        if not Agent.objects.select_for_update().filter(pk=backend.pk, session=session).exists():
            raise StaleAgent(id=backend.pk)
        yield


@transaction.atomic
def close_session(backend: Backend, session: UUID) -> None:
    """Forget a stream that ended; a newer one of the same node is left alone."""
    Agent.objects.filter(backend=backend, session=session).update(session=None)


def see_devices(backend: Backend, seen: Sequence[SeenDevice]) -> list[int]:
    """Take over which devices the agent finds; give the ids of those that have vanished."""
    known = {device.index: device for device in Device.objects.filter(backend=backend)}
    for device in seen:
        row = known.pop(device.index, None)
        if row is None:
            add_devices(backend, [device.index], model=device.model, total_memory=device.total_memory)
        elif (row.model, row.total_memory) != (device.model, device.total_memory):
            if row.model not in ("", device.model):
                FormerModel.objects.create(device=row, model=row.model, until=db_now())
            Device.objects.filter(pk=row.pk).update(model=device.model, total_memory=device.total_memory)
    return [row.pk for row in known.values()]


def wake_backend(backend: Backend, *, actor: Actor) -> None:
    """Undo a SHUTDOWN that only the agent's absence had caused."""
    absent = Backend.objects.filter(
        pk=backend.pk, status=BackendStatus.SHUTDOWN, why__in=(Why.NODE_LOST, Why.POWERED_OFF)
    )
    if absent.update(status=BackendStatus.ACTIVE, why=Why.NONE):
        record("BACKEND_RECOVERED", actor=actor, subject=f"backend/{backend.pk}")


def show_presence() -> None:
    """Say that a manager is serving; after a break of MOREH_PRESENCE_GAP everybody's grace starts anew."""
    now = db_now()
    kept = Case(When(seen__gte=now - settings.MOREH_PRESENCE_GAP, then=F("since")), default=Value(now))
    if not ManagerPresence.objects.filter(pk=1).update(since=kept, seen=now):
        ManagerPresence.objects.bulk_create([ManagerPresence(pk=1, since=now, seen=now)], ignore_conflicts=True)


def quarantine(devices: Iterable[int], why: Why, *, backend: Backend) -> None:
    """Shut devices down because something is wrong with them, and alert."""
    ids = list(devices)
    awake = Device.objects.filter(pk__in=ids).exclude(status=DeviceStatus.SHUTDOWN)
    indexes = list(awake.values_list("index", flat=True))
    if not indexes:
        return
    awake.update(status=DeviceStatus.SHUTDOWN, why=why, since=db_now())
    raise_alert(
        Category.GPU_ERROR,
        subject=f"backend/{backend.pk}",
        content=f"{backend.name}: devices {sorted(indexes)} are out of service ({why.label}).",
    )
