"""The cards in devices' places: what agents report of them, and what happens when another one is found there."""

from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backends.models import Backend, Bmc, Card, Device, Finding, FormerCard
from backends.services.agents import AgentHello, Newcomer, ReportedDevice, record_presence
from backends.services.bmc_addresses import store_bmc_addresses
from backends.services.cards import UNKNOWN, CardIdentity, completed, is_exchanged
from backends.services.enrolment import create_enrolment_key, enrol_backend
from backends.services.findings import ReportedFact
from backends.services.nodes import update_backend
from events.models import Event
from scheduler.services import health
from scheduler.services.arrivals import greet_agents
from scheduler.services.nodes import delete_backend
from scheduler.services.workers import greet_agent
from tests import make

pytestmark = pytest.mark.django_db

A = CardIdentity("GPU-a", "111", "0000:01:00.0", "550.90", "96.00")
B = CardIdentity("GPU-b", "222", "0000:01:00.0", "550.90", "96.01")


def hello(node: Backend, *cards: CardIdentity, boot: int, model: str = "MI250") -> Newcomer:
    devices = tuple(ReportedDevice(index, model, 65_536, card) for index, card in enumerate(cards))
    greeting = AgentHello("one", boot, 1, "1.0", "host", devices)
    record_presence()
    return Newcomer(node, greeting, {}, uuid4(), make.ACTOR)


def greet(node: Backend, *cards: CardIdentity, boot: int, model: str = "MI250") -> bool:
    """Greet an agent as the server does; return whether the way for many at once sufficed."""
    newcomer = hello(node, *cards, boot=boot, model=model)
    if newcomer.session in greet_agents([newcomer]):
        return True
    greet_agent(newcomer)
    return False


def cards() -> list[tuple[str, ...]]:
    return list(Card.objects.order_by("device__index").values_list(*CardIdentity._fields))


@pytest.fixture
def node() -> Backend:
    made = make.backend(2)
    assert not greet(made, A, UNKNOWN, boot=1)
    make.answer(made)
    return made


EXCHANGED: dict[str, tuple[CardIdentity, CardIdentity, bool]] = {
    "the same": (A, A, False),
    "another UUID": (A, B, True),
    "another UUID, the same serial number of the board": (A, A._replace(uuid="GPU-c"), True),
    "another serial number, and no UUID": (A, CardIdentity(serial="222"), True),
    "the same UUID, and another way to write the serial number": (A, A._replace(serial="0x6F"), False),
    "a new driver": (A, A._replace(driver_version="560.1"), False),
    "nothing could be read": (A, UNKNOWN, False),
    "nothing was known": (UNKNOWN, A, False),
}


@pytest.mark.parametrize("case", EXCHANGED)
def test_is_exchanged(case: str) -> None:
    known, reported, expected = EXCHANGED[case]
    assert is_exchanged(known, reported) is expected


def test_what_could_not_be_read_stays_as_it_was() -> None:
    partly = CardIdentity(uuid="GPU-a", driver_version="560.1")
    assert completed(A, partly) == A._replace(driver_version="560.1")
    assert completed(A, B) == B


def test_a_card_is_stored_at_its_first_hello_and_again_when_it_changes(node: Backend) -> None:
    assert cards() == [A]
    since = Card.objects.get().since
    assert greet(node, A._replace(driver_version="560.1"), B, boot=2)
    assert cards() == [A._replace(driver_version="560.1"), B]
    assert greet(node, UNKNOWN, UNKNOWN, boot=3)
    assert cards() == [A._replace(driver_version="560.1"), B]
    assert Card.objects.get(device__index=0).since == since
    assert not Event.objects.filter(action="EXCHANGE_CARD").exists()


def fail_first(node: Backend) -> Device:
    device: Device = node.devices.get(index=0)
    health.store_findings({device.pk: [ReportedFact("XID", 79, 1)]}, codes=["XID"])
    return device


def test_another_card_begins_without_the_findings_and_the_verdict_of_the_old_one(node: Backend) -> None:
    device = fail_first(node)
    assert not greet(node, B, UNKNOWN, boot=2, model="MI300X")
    make.answer(node)
    device.refresh_from_db()
    assert (device.verdict, device.status, device.why, device.model) == ("HEALTHY", "IDLE", "", "MI300X")
    assert cards() == [B]
    former = FormerCard.objects.get()
    assert (former.device_id, former.serial, former.uuid, former.model, former.verdict) == (
        device.pk,
        "111",
        "GPU-a",
        "MI250",
        "FAILED",
    )
    assert former.since < former.until == Card.objects.get().since
    assert Finding.objects.get().ended_at == former.until
    event = Event.objects.get(action="EXCHANGE_CARD")
    assert (event.subject, event.request) == (f"backend/{node.pk}", {"device": 0, "old": "111", "new": "222"})


def test_the_same_card_keeps_its_verdict_over_a_hello(node: Backend) -> None:
    device = fail_first(node)
    assert greet(node, A, UNKNOWN, boot=2)
    make.answer(node)
    device.refresh_from_db()
    assert (device.verdict, device.status) == ("FAILED", "SHUTDOWN")
    assert not FormerCard.objects.exists()


def test_many_agents_are_greeted_in_a_fixed_number_of_queries(django_assert_num_queries: Any) -> None:
    nodes = [make.backend(2) for _ in range(6)]
    for one in nodes:
        greet(one, UNKNOWN, UNKNOWN, boot=1)
        make.answer(one)
    few, many = ([hello(one, A, B, boot=2) for one in some] for some in (nodes[:1], nodes[1:]))
    with CaptureQueriesContext(connection) as queries:
        assert len(greet_agents(few)) == 1
    with django_assert_num_queries(len(queries)):
        assert len(greet_agents(many)) == 5
    assert Card.objects.count() == 12


def enrolled() -> Backend:
    key = create_enrolment_key(group=make.default_group(), actor=make.ACTOR)
    node, _key = enrol_backend(key, name=f"node-{uuid4()}", ip="10.0.0.9", instance_id="one", actor=make.ACTOR)
    return node


def stored(node: Backend, address: str) -> str | None:
    store_bmc_addresses({node.pk: address}, {node.pk: make.ACTOR})
    return Bmc.objects.get(pk=node.pk).ip


def test_an_enrolled_node_takes_the_address_of_its_bmc_from_its_agent(settings: Any) -> None:
    settings.MOREH_BMC_NETWORKS = [ip_network("10.0.0.0/8")]
    node = enrolled()
    for refused in ("192.168.0.7", "no address", "", "10.1.0.7\x00"):
        assert stored(node, refused) is None
    assert not Event.objects.filter(action="SET_BMC_ADDRESS").exists()
    assert stored(node, "10.1.0.7") == "10.1.0.7"
    event = Event.objects.get(action="SET_BMC_ADDRESS")
    assert (event.subject, event.request) == (f"backend/{node.pk}", {"node": "10.1.0.7"})
    assert stored(node, "10.1.0.8") == "10.1.0.7"


def test_the_address_of_another_nodes_bmc_is_not_taken() -> None:
    one, two = enrolled(), enrolled()
    assert (stored(one, "10.1.0.7"), stored(two, "10.1.0.7")) == ("10.1.0.7", None)
    delete_backend(one, actor=make.ACTOR)
    assert stored(two, "10.1.0.7") == "10.1.0.7"


def test_the_address_that_an_operator_gave_stays() -> None:
    node, other = enrolled(), make.backend(0, bmc_ip=None)
    update_backend(node, actor=make.ACTOR, bmc={"ip": "127.0.0.1"})
    assert stored(node, "127.0.0.2") == "127.0.0.1"
    assert stored(other, "127.0.0.2") is None  # it was not enrolled
