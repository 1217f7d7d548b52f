"""Agents: their sessions, the devices that they find, and the presence of a manager that they report to."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, QuerySet, Value, When

from alerts.choices import Level
from alerts.codes import Code
from alerts.services import raise_alert
from alerts.subjects import node
from backends.choices import DEVICE_TRANSITIONS, BackendStatus, DeviceStatus, ShutdownReason
from backends.errors import DuplicateAgent, StaleAgent
from backends.models import Agent, Backend, Device, FormerModel, ManagerPresence
from backends.services.cards import UNKNOWN, CardIdentity, Place
from backends.services.nodes import add_devices
from backends.services.orders import settle_once
from core.bulk import update_rows
from core.clock import db_now
from events.actor import Actor
from events.services import NewEvent, record_each

SESSION_COLUMNS = ("boot", "sequence", "session", "last_seen", "instance_id", "version", "host_name", "boot_id")


@dataclass(frozen=True, slots=True)
class ReportedDevice:
    """A device as an agent reports it; memory in MiB."""

    index: int
    model: str
    total_memory: int
    card: CardIdentity = UNKNOWN


@dataclass(frozen=True, slots=True)
class AgentHello:
    """What an agent reports of itself when its stream opens."""

    instance_id: str
    boot: int
    sequence: int
    version: str
    host_name: str
    devices: tuple[ReportedDevice, ...]
    bmc_address: str = ""
    boot_id: str = ""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An agent that says hello: its node, its hello, what it runs (device indexes by worker id), and its session."""

    backend: Backend
    hello: AgentHello
    running: Mapping[int, Sequence[int]]
    session: UUID
    actor: Actor
    jobs: Mapping[int, int] = field(default_factory=dict)  # by worker id

    def cards(self) -> dict[Place, CardIdentity]:
        """Return what identifies the cards of its devices, where it could be read."""
        devices = self.hello.devices
        return {(self.backend.pk, device.index): device.card for device in devices if device.card != UNKNOWN}


def open_session(newcomer: Newcomer) -> None:
    """Set a stream as the session of its node, in the caller's transaction.

    Raises StaleAgent for an earlier start or message of the same installation, and DuplicateAgent while another
    installation is alive. The caller alerts about that one after the roll-back (`alert_duplicate_agent`).
    """
    agent = Agent.objects.select_for_update().get(backend=newcomer.backend)
    now = db_now()
    if refusal := refusal_of(agent, newcomer.hello, now):
        raise refusal
    open_sessions([newcomer], {agent.pk: agent}, now)


def refusal_of(agent: Agent, hello: AgentHello, now: datetime) -> StaleAgent | DuplicateAgent | None:
    """Return why a hello is refused; None if it is accepted."""
    if agent.instance_id == hello.instance_id:
        stale = (hello.boot, hello.sequence) <= (agent.boot, agent.sequence)
        return StaleAgent(boot=hello.boot, sequence=hello.sequence) if stale else None
    alive = agent.session and agent.last_seen and now - agent.last_seen < settings.MOREH_SILENT_AFTER
    return DuplicateAgent(id=agent.pk) if alive else None


def open_sessions(newcomers: Iterable[Newcomer], agents: Mapping[int, Agent], now: datetime) -> None:
    """Set streams as the sessions of nodes; three statements. `agents`: as they were, which the caller has locked."""
    rows, events, restarted, reinstalled = [], [], [], []
    for newcomer in newcomers:
        hello, pk = newcomer.hello, newcomer.backend.pk
        if _differ(agents[pk].boot_id, hello.boot_id[:64]):
            restarted.append(pk)
        if _differ(agents[pk].instance_id, hello.instance_id):
            reinstalled.append(pk)
        details = {"version": hello.version[:64], "boot": hello.boot}
        names = hello.instance_id, hello.version[:64], hello.host_name[:255], hello.boot_id[:64]
        rows.append((pk, hello.boot, hello.sequence, newcomer.session, now, *names))
        events.append((NewEvent("AGENT_HELLO", f"backend/{pk}", None, details), newcomer.actor))
    update_rows(Agent, SESSION_COLUMNS, rows)
    record_each(events)
    settle_once(restarted=restarted, reinstalled=reinstalled)


def _differ(before: str, now: str) -> bool:
    return bool(before and now) and before != now


def alert_duplicate_agent(backend: Backend, *, ip_address: str) -> None:
    """Raise the alert that an agent said hello for a node whose own agent is alive."""
    about, level = node(backend.pk), Level.CRITICAL
    raise_alert(Code.NODE_CLAIMED_TWICE, about, level=level, address=ip_address, node=backend.name)


@contextmanager
def agent_session(backend: Backend, session: UUID) -> Iterator[None]:
    """Run a transaction in which this stream stays the session of the node.

    Raises StaleAgent if it is not, also for a deleted node.
    """
    with transaction.atomic():
        agents = Agent.objects.select_for_update(of=("self",)).filter(backend__deleted_at__isnull=True)
        if not agents.filter(pk=backend.pk, session=session).exists():
            raise StaleAgent(id=backend.pk)
        yield


def close_sessions(sessions: Collection[UUID]) -> None:
    """End the sessions of streams that have ended; newer sessions of the same nodes stay."""
    Agent.objects.filter(session__in=sessions).update(session=None)


def store_reported_devices(backend: Backend, reported: Sequence[ReportedDevice]) -> list[int]:
    """Store which devices the agent finds; return the ids of those that have vanished.

    An agent that reports no device could not read them: none has vanished. A model ("") or memory (0) that could not
    be read leaves the stored one as it is.
    """
    if not reported:
        return []
    known = {device.index: device for device in Device.objects.filter(backend=backend)}
    for device in reported:
        row = known.pop(device.index, None)
        if row is None:
            add_devices(backend, [device.index], model=device.model, total_memory=device.total_memory)
            continue
        model, total_memory = device.model or row.model, device.total_memory or row.total_memory
        if (row.model, row.total_memory) != (model, total_memory):
            if row.model not in ("", model):
                FormerModel.objects.create(device=row, model=row.model, until=db_now())
            Device.objects.filter(pk=row.pk).update(model=model, total_memory=total_memory)
    return [row.pk for row in known.values()]


def recover_backends(actors: Mapping[int, Actor]) -> None:
    """Set nodes ACTIVE again that are SHUTDOWN only because their agents were absent; the actors are by node."""
    absent = Backend.objects.filter(
        status=BackendStatus.SHUTDOWN, why__in=(ShutdownReason.NODE_LOST, ShutdownReason.POWERED_OFF)
    )
    found = absent.filter(pk__in=actors).select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True)
    if recovered := list(found):
        Backend.objects.filter(pk__in=recovered).update(status=BackendStatus.ACTIVE, why=ShutdownReason.NONE)
        record_each((NewEvent("BACKEND_RECOVERED", f"backend/{pk}", None, {}), actors[pk]) for pk in recovered)


def record_presence() -> None:
    """Record that a manager is serving. After a break of MOREH_PRESENCE_GAP all grace periods start anew."""
    now = db_now()
    since = Case(When(seen__gte=now - settings.MOREH_PRESENCE_GAP, then=F("since")), default=Value(now))
    if not ManagerPresence.objects.filter(pk=1).update(since=since, seen=now):
        ManagerPresence.objects.bulk_create([ManagerPresence(pk=1, since=now, seen=now)], ignore_conflicts=True)


def quarantine(devices: QuerySet[Device], why: ShutdownReason, *, backend: Backend) -> list[int]:
    """Shut devices of a node down because of a fault, and raise an alert; return the ids of those that were shut down.

    A device that is no longer among `devices` when it is locked stays as it is.
    """
    awake = devices.filter(backend=backend, status__in=DEVICE_TRANSITIONS.before(DeviceStatus.SHUTDOWN))
    locked = awake.select_for_update(no_key=True).order_by("pk")
    indexes = dict(locked.values_list("pk", "index"))
    if not indexes:
        return []
    Device.objects.filter(pk__in=indexes).update(status=DeviceStatus.SHUTDOWN, why=why, since=db_now())
    raise_alert(Code.DEVICES_OUT, node(backend.pk), node=backend.name, devices=sorted(indexes.values()), reason=why)
    return list(indexes)
