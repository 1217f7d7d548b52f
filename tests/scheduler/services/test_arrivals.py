"""Many agents at once: the rows that each by itself would have, in as many statements as for one."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from alerts.codes import Code
from alerts.models import Alert
from alerts.services import raise_alert
from alerts.subjects import node as node_subject
from backends.choices import BackendStatus, DeviceStatus, OrderState, ShutdownReason
from backends.errors import DuplicateAgent, StaleAgent
from backends.models import Agent, Backend, Device, Order
from backends.services.agents import Newcomer, ReportedDevice, close_sessions
from backends.services.nodes import set_backend_status
from core.clock import db_now
from events.models import Event
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, UnknownWorker, Worker
from scheduler.services import workers
from scheduler.services.arrivals import changed_health, greet_agents, record_acknowledgements, record_cleanings
from scheduler.services.jobs import finish_job
from scheduler.services.nodes import set_device_status
from scheduler.services.sdas import create_sda
from tests import make
from tests.transitions import unchecked

pytestmark = pytest.mark.django_db
Running = dict[int, list[int]]


def _newcomer(node: Backend, devices: int = 2, *, running: Running | None = None, **who: Any) -> Newcomer:
    who = {"boot": 2, **who}
    return Newcomer(node, make.greeting(devices, **who), running or {}, uuid4(), make.ACTOR)


def _lost() -> tuple[Backend, Running]:
    node = make.ready_backend(2)
    Device.objects.filter(backend=node).update(status=DeviceStatus.SHUTDOWN, why=ShutdownReason.NODE_LOST)
    Backend.objects.filter(pk=node.pk).update(status=BackendStatus.SHUTDOWN, why=ShutdownReason.NODE_LOST)
    raise_alert(Code.NODE_LOST, node_subject(node.pk), node=node.name)
    return node, {}


def _at_work() -> tuple[Backend, Running]:
    node = make.ready_backend(2)
    worker = Worker.objects.get(job=make.running_job(node, 2))
    return node, {worker.pk: worker.devices}


def _about_to_start() -> tuple[Backend, Running]:
    node = make.ready_backend(2)
    tick(make.job(num_devices=2).group_id)
    return node, {}


def _starting() -> tuple[Backend, Running]:
    node, _none = _about_to_start()
    worker = Worker.objects.get(backend=node)
    return node, {worker.pk: worker.devices}


def _stopped() -> tuple[Backend, Running]:
    node = make.ready_backend(2)
    finish_job(make.running_job(node, 2), exit_code=0, actor=make.ACTOR)
    return node, {}


def _shut_down_by_an_operator() -> tuple[Backend, Running]:
    node, _none = _lost()
    set_device_status(node, DeviceStatus.SHUTDOWN, index=1, actor=make.ACTOR)
    set_backend_status(node, BackendStatus.SHUTDOWN, actor=make.ACTOR)
    return node, {}


def _of_another_installation() -> tuple[Backend, Running]:
    node = make.ready_backend(2)
    Agent.objects.filter(pk=node.pk).update(session=None, instance_id="before", boot=77)
    return node, {}


AS_KNOWN: dict[str, Callable[[], tuple[Backend, Running]]] = {
    "one that was lost": _lost,
    "one at work": _at_work,
    "one that has yet to start a worker": _about_to_start,
    "one that is starting a worker": _starting,
    "one whose worker has ended meanwhile": _stopped,
    "one that an operator shut down": _shut_down_by_an_operator,
    "one that was installed anew": _of_another_installation,
}


def _rows(node: Backend, since: int) -> list[Any]:
    """Return what is written of a node, without what differs between any two."""
    about = f"backend/{node.pk}"
    events = Event.objects.filter(subject=about, pk__gt=since).order_by("pk")
    cleaned = Device.objects.filter(backend=node, cleaner__in=Order.objects.values("pk"))
    return [
        Backend.objects.values_list("status", "why").get(pk=node.pk),
        list(Device.objects.filter(backend=node).order_by("index").values_list("status", "why", "drain_to")),
        list(cleaned.order_by("index").values_list("index", flat=True)),
        list(Order.objects.filter(backend=node).order_by("created_at", "verb").values_list("verb", "devices", "state")),
        list(Worker.objects.filter(backend=node).order_by("pk").values_list("state", "error")),
        list(events.values_list("action", "request", "actor", "referer_protocol", "referer_ip")),
        [
            cleared is not None
            for cleared in Alert.objects.filter(subject_id=node.pk).values_list("cleared_at", flat=True)
        ],
        Agent.objects.values_list("instance_id", "boot", "version", "host_name").get(pk=node.pk),
    ]


@pytest.mark.parametrize("case", AS_KNOWN)
def test_a_node_among_many_has_the_rows_of_a_node_by_itself(case: str) -> None:
    (alone, its), (among, theirs) = AS_KNOWN[case](), AS_KNOWN[case]()
    others = [_newcomer(make.ready_backend(2)) for _ in range(3)]
    since = Event.objects.latest("pk").pk
    by_itself, newcomer = _newcomer(alone, running=its), _newcomer(among, running=theirs)
    expected = workers.greet_agent(by_itself)
    wanted = greet_agents([*others, newcomer])
    assert wanted.keys() == {one.session for one in [*others, newcomer]}
    assert len(wanted[newcomer.session]) == len(expected)
    assert wanted[newcomer.session] == dict(
        Worker.objects.filter(backend=among, state__in=workers.PRESENT).values_list("pk", "job_id")
    )
    assert _rows(among, since) == _rows(alone, since)
    agent = Agent.objects.get(pk=among.pk)
    assert (agent.session, agent.sequence) == (newcomer.session, newcomer.hello.sequence)
    make.answer(alone)
    make.answer(among)
    assert _rows(among, since) == _rows(alone, since)


def _with_devices(change: Callable[[ReportedDevice], ReportedDevice]) -> Newcomer:
    node = make.ready_backend(2)
    newcomer = _newcomer(node)
    first, *rest = newcomer.hello.devices
    greeting = make.greeting(2, boot=2)
    return Newcomer(
        node,
        type(greeting)(greeting.instance_id, 2, greeting.sequence, "1.0", "host", (change(first), *rest)),
        {},
        uuid4(),
        make.ACTOR,
    )


def _with_an_unknown_worker_that_has_ended() -> Newcomer:
    node = make.ready_backend(2)
    UnknownWorker.objects.create(backend=node, worker_id=9_999, job_id=1, devices=[1], seen_at=db_now())
    return _newcomer(node)


RARE: dict[str, Callable[[], Newcomer]] = {
    "an earlier start": lambda: _newcomer(make.ready_backend(2), boot=0),
    "claimed twice": lambda: _newcomer(make.ready_backend(2), instance="two"),
    "an unknown worker": lambda: _newcomer(make.ready_backend(2), running={999: [1]}),
    "an unknown worker that has ended": _with_an_unknown_worker_that_has_ended,
    "a worker that shall stop": lambda: _newcomer(_stopped()[0], running={Worker.objects.latest("pk").pk: [0]}),
    "a worker that is gone": lambda: _newcomer(_at_work()[0]),
    "a device that vanished": lambda: _newcomer(make.ready_backend(2), devices=1),
    "a device that is new": lambda: _newcomer(make.ready_backend(2), devices=3),
    "another model": lambda: _with_devices(lambda device: ReportedDevice(device.index, "MI300", device.total_memory)),
    "more memory": lambda: _with_devices(lambda device: ReportedDevice(device.index, device.model, 99)),
}


@pytest.mark.parametrize("case", RARE)
def test_what_is_rare_is_left_to_be_done_alone_and_holds_up_nobody(case: str) -> None:
    rare, plain = RARE[case](), _newcomer(make.ready_backend(2))
    since = Event.objects.latest("pk").pk
    before = _rows(rare.backend, since)
    assert greet_agents([rare, plain]).keys() == {plain.session}
    assert _rows(rare.backend, since) == before
    if case in ("an earlier start", "claimed twice"):
        with pytest.raises((StaleAgent, DuplicateAgent)):
            workers.greet_agent(rare)
    else:
        workers.greet_agent(rare)
        assert Agent.objects.get(pk=rare.backend.pk).session == rare.session
        assert not UnknownWorker.objects.filter(backend=rare.backend).exists()


def test_of_two_streams_of_a_node_the_first_is_greeted_and_the_other_after_it() -> None:
    node = make.ready_backend(2)
    first, second = _newcomer(node), _newcomer(node)
    assert greet_agents([first, second]).keys() == {first.session}
    assert greet_agents([second]).keys() == {second.session}


def test_adr_28_an_agent_whose_hello_was_not_answered_gets_the_same_orders_again() -> None:
    nodes = [_lost()[0] for _ in range(3)]
    for boot in (2, 3):
        assert len(greet_agents([_newcomer(node, boot=boot) for node in nodes])) == 3
        orders = Order.objects.filter(backend__in=nodes, settled_at=None)
        assert list(orders.order_by("backend").values_list("backend_id", "verb", "devices")) == [
            (node.pk, "CLEAN", [0, 1]) for node in nodes
        ]


@pytest.mark.only_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_node_that_somebody_else_writes_to_is_left_out_at_once() -> None:
    busy, free = _newcomer(make.ready_backend(2)), _newcomer(make.ready_backend(2))
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT FROM backends_agent WHERE backend_id = %s FOR UPDATE", [busy.backend.pk])
            assert greet_agents([busy, free]).keys() == {free.session}
            cursor.execute("ROLLBACK")
    finally:
        other.close()


def _queries(work: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        work()
    return len(queries)


def test_twenty_nodes_cost_as_many_statements_as_one() -> None:
    def greet(nodes: int) -> int:
        newcomers = [_newcomer(_lost()[0]) for _ in range(nodes)]
        return _queries(lambda: greet_agents(newcomers))

    def clean(nodes: int) -> int:
        orders = _cleanings([_lost()[0] for _ in range(nodes)])
        return _queries(lambda: record_cleanings(orders))

    assert greet(20) == greet(1) < 36
    assert clean(20) == clean(1) < 30


def _cleanings(nodes: list[Backend]) -> dict[UUID, tuple[int, UUID]]:
    """Let agents say hello; return the CLEAN order of each with its node and stream."""
    streams = {node.pk: make.hello(node, 2, boot=2) for node in nodes}
    orders = Order.objects.filter(backend__in=nodes, verb="CLEAN", settled_at=None)
    return {order.pk: (order.backend_id, streams[order.backend_id]) for order in orders}


def test_many_cleanings_make_devices_idle_or_what_they_drain_to() -> None:
    nodes = [_lost()[0] for _ in range(3)]
    orders = _cleanings(nodes)
    set_device_status(nodes[1], DeviceStatus.SHUTDOWN, index=0, actor=make.ACTOR)
    set_device_status(nodes[2], DeviceStatus.BUSY, index=1, actor=make.ACTOR)
    assert record_cleanings(orders) == orders.keys()
    assert [make.statuses(node) for node in nodes] == [["IDLE", "IDLE"], ["SHUTDOWN", "IDLE"], ["IDLE", "BUSY"]]
    assert set(Order.objects.filter(pk__in=orders).values_list("state", "error")) == {(OrderState.DONE, "")}
    assert record_cleanings(orders) == set()


def test_devices_of_a_reservation_are_held_again_when_they_are_clean() -> None:
    node = make.ready_backend(2)
    create_sda(make.token(), make.sda_model(1), reserved=True, actor=make.ACTOR)
    held = Allocation.objects.get().device
    with unchecked():
        Device.objects.filter(backend=node).update(status=DeviceStatus.CLEANING, cleaner=None)
    assert len(record_cleanings(_cleanings([node]))) == 1
    assert sorted(make.statuses(node)) == ["IDLE", "PREPARING"]
    held.refresh_from_db()
    assert held.status == DeviceStatus.PREPARING


def test_an_answer_counts_only_of_the_stream_that_speaks_for_the_node_of_the_order() -> None:
    own, stale, closed, stranger = (_lost()[0] for _ in range(4))
    orders = _cleanings([own, stale, closed, stranger])
    by_node = {node: (order, (node, session)) for order, (node, session) in orders.items()}
    make.hello(stale, 2, boot=3)
    close_sessions([by_node[closed.pk][1][1]])
    orders = dict(by_node[node.pk] for node in (own, stale, closed))
    orders[by_node[stranger.pk][0]] = by_node[own.pk][1]  # the order of one, answered by another
    assert record_acknowledgements(orders) == {by_node[own.pk][0], by_node[stranger.pk][0]}
    states = dict(Order.objects.filter(pk__in=orders).values_list("backend_id", "state"))
    assert states == {own.pk: "ACKED", stale.pk: "PENDING", closed.pk: "PENDING", stranger.pk: "PENDING"}
    assert record_cleanings(orders) == {by_node[own.pk][0]}
    assert [make.statuses(node) for node in (own, stale, closed, stranger)] == [["IDLE"] * 2, *[["CLEANING"] * 2] * 3]


def test_only_a_verdict_that_changes_something_is_acted_on() -> None:
    well, sick, lost, by_hand = (make.ready_backend(1) for _ in range(4))
    for node, why in (
        (sick, ShutdownReason.UNHEALTHY),
        (lost, ShutdownReason.NODE_LOST),
        (by_hand, ShutdownReason.OPERATOR),
    ):
        Backend.objects.filter(pk=node.pk).update(status=BackendStatus.SHUTDOWN, why=why)
    nodes = (well, sick, lost, by_hand)
    assert changed_health({node.pk: True for node in nodes}) == {sick.pk}
    assert changed_health({node.pk: False for node in nodes}) == {well.pk}
