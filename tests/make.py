"""Makers: each gives one real object, made by the services that production uses."""

from collections.abc import Callable
from itertools import count
from time import monotonic, sleep
from typing import Any
from uuid import UUID, uuid4

from django.db import connection
from django.db.models import QuerySet

from accounts.choices import Role
from accounts.models import Operator
from backends.choices import DEFAULT_GROUP, DeviceStatus
from backends.models import Backend, BackendGroup, Device, Order
from backends.services import agents, nodes
from core.clock import db_now
from events.actor import Actor
from scheduler.cycle.tick import tick
from scheduler.models import Job
from scheduler.services import workers
from scheduler.services.submission import JobRequest, submit_job
from sda.models import Sda, SdaModel
from sda.services import models, sdas
from tests.transitions import unchecked
from tokens.models import Token
from tokens.services import create_token

ACTOR = Actor("operator-1", "test", "127.0.0.1")
_number = count(1)


def sql(statement: str, *values: int) -> int:
    """Write past all services; return how many rows were touched."""
    with unchecked(), connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return int(cursor.rowcount)


def default_group() -> BackendGroup:
    group: BackendGroup = BackendGroup.objects.get(pk=DEFAULT_GROUP)
    return group


def keyed_backend(devices: int = 8, *, group: BackendGroup | None = None, **fields: Any) -> tuple[Backend, str]:
    """Make a node that has not been heard of yet, and the key for its agent."""
    n = next(_number)
    given = {"name": f"node-{n}", "ip": f"10.0.{n // 250}.{n % 250 + 1}", "bmc_ip": "127.0.0.1"} | fields
    return nodes.create_backend(devices=devices, group=group or default_group(), actor=ACTOR, **given)


def backend(devices: int = 8, *, group: BackendGroup | None = None, **fields: Any) -> Backend:
    """Make a node that has not been heard of yet."""
    made, _key = keyed_backend(devices, group=group, **fields)
    return made


def greeting(devices: int = 8, *, instance: str = "one", boot: int = 1) -> agents.AgentHello:
    seen = tuple(agents.ReportedDevice(i, "MI250", 65_536) for i in range(devices))
    return agents.AgentHello(instance, boot, sequence=next(_number), version="1.0", host_name="host", devices=seen)


def wait_for(true: Callable[[], bool], within: float = 10.0) -> None:
    """Wait until something that another thread does has happened. Raises TimeoutError after `within` seconds."""
    deadline = monotonic() + within
    while not true():
        if monotonic() > deadline:
            raise TimeoutError
        sleep(0.02)


def hello(node: Backend, devices: int = 8, *, running: dict[int, list[int]] | None = None, **who: Any) -> UUID:
    """Let the node's agent say hello; return its session."""
    session = uuid4()
    agents.record_presence()
    workers.greet_agent(agents.Newcomer(node, greeting(devices, **who), running or {}, session, ACTOR))
    return session


def ready_backend(devices: int = 8, **fields: Any) -> Backend:
    """Make a node whose agent is there and whose devices are IDLE."""
    node = backend(devices, **fields)
    hello(node, devices)
    answer(node)
    assert set(statuses(node)) == {DeviceStatus.IDLE}
    return node


def orders(node: Backend) -> QuerySet[Order]:
    return Order.objects.filter(backend=node, settled_at=None).order_by("created_at", "pk")


def answer(node: Backend, verb: str | None = None, *, ok: bool = True, error: str = "") -> int:
    """Let the node's agent carry out its open orders (of one verb, or all until none is left)."""
    done = 0
    while found := list(orders(node).filter(**({"verb": verb} if verb else {}))):
        for order in found:
            workers.take_result(node, order.pk, ok=ok, error=error, address="10.0.0.1:30000")
            done += 1
    return done


def statuses(node: Backend) -> list[str]:
    return list(Device.objects.filter(backend=node).order_by("index").values_list("status", flat=True))


def sda_model(num_devices: int = 1, **fields: Any) -> SdaModel:
    return models.create_sda_model(
        name=fields.pop("name", f"Model.{next(_number)}"), num_devices=num_devices, actor=ACTOR, **fields
    )


def token(**fields: Any) -> Token:
    return create_token(description=fields.pop("description", f"customer {next(_number)}"), actor=ACTOR, **fields)


def sda(num_devices: int = 1, *, owner: Token | None = None, **token_fields: Any) -> Sda:
    """Make an SDA of an open model for a new token (or `owner`)."""
    return sdas.create_sda(owner or token(**token_fields), sda_model(num_devices), actor=ACTOR)


def job(accelerator: Sda | None = None, num_devices: int = 1, **ask: Any) -> Job:
    """Submit a job on an SDA."""
    accelerator = accelerator or sda(num_devices)
    request = JobRequest(request_id=ask.pop("request_id", str(uuid4())), sda_id=accelerator.pk, **ask)
    return submit_job(accelerator.token, request, actor=ACTOR)


def running_job(node: Backend, num_devices: int = 1) -> Job:
    """Make a job that runs on this node."""
    made = job(num_devices=num_devices)
    tick(made.group_id)
    answer(node, "START")
    made.refresh_from_db()
    return made


def operator(role: Role = Role.MASTER, **fields: Any) -> Operator:
    made = Operator(
        username=fields.pop("username", f"operator-{next(_number)}"),
        email="operator@example.com",
        role=role,
        is_staff=True,
        email_verified_at=db_now(),
        **fields,
    )
    made.set_password("correct horse")
    made.save()
    return made
