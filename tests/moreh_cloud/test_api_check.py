"""/api/check, /livez and /readyz on real parts."""

from collections.abc import Iterator
from concurrent import futures
from datetime import timedelta
from typing import Any

import grpc
import pytest
import redis
from django.db import OperationalError, connection
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.choices import Role
from backends.choices import PowerStatus
from backends.models import Bmc
from backends.services.power_readings import PowerReading, store_power_readings
from core.clock import db_now
from liveness.models import Sign
from moreh_cloud.check.probes import run_probe
from outbox.models import Channel
from outbox.services import create_channel, update_channel
from tests import make, services
from tests.api import client, refused

pytestmark = pytest.mark.django_db
URL = "/api/check"
Serving = health_pb2.HealthCheckResponse
PARTS = ("api", "db", "grpc", "ipmi", "broker", "worker", "powerWorker", "outbox", "beat", "tick")


@pytest.fixture
def grpc_health(settings: Any) -> Iterator[health.HealthServicer]:
    """A real gRPC server that says how it is."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    settings.MOREH_GRPC_CHECK_TARGET = f"127.0.0.1:{port}"
    server.start()
    yield servicer
    server.stop(None).wait()


@pytest.mark.usefixtures("grpc_health", "alive")
def test_a_stranger_sees_that_all_is_well_and_no_more() -> None:
    answer = APIClient().get(URL)
    body = answer.json()
    assert answer.status_code == 200
    assert {part: found["status"] for part, found in body.items()} == dict.fromkeys(PARTS, "ok")
    assert {frozenset(found) for found in body.values()} == {frozenset({"status", "latency"})}
    assert all(found["latency"] >= 0 for found in body.values())


def seen(name: str, ago: float | None, *, fallback: bool = False) -> None:
    if ago is not None:
        at = db_now() - timedelta(seconds=ago)
        Sign.objects.create(name=name, seen_at=at, begun_at=at, by=f"{name}@there", fallback=fallback)


@pytest.fixture
def alive() -> None:
    """All background processes are there."""
    for name in ("worker", "power worker", "outbox worker", "beat", "tick"):
        seen(name, 1)


# Ages in seconds of worker, power worker, beat and tick (None: never), who ticks, and what is said of each.
PROCESSES: dict[str, tuple[tuple[float | None, ...], bool, str]] = {
    "all are there": ((19, 19, 19, 29), False, "ok ok ok ok"),
    "no worker, and others tick": ((21, 1, 1, 1), True, "degraded ok ok degraded"),
    "no worker, and nobody ticks": ((31, 1, 1, 31), False, "error ok ok error"),
    "no beat, and others tick": ((1, 1, 21, 1), True, "ok ok degraded degraded"),
    "no beat, and nobody ticks": ((1, 1, 21, 31), False, "ok ok error error"),
    "no power worker": ((1, 21, 1, 1), False, "ok error ok ok"),
    "nobody ever": ((None, None, None, None), False, "error error error error"),
}


@pytest.mark.parametrize("case", PROCESSES)
def test_background_processes_are_told_by_their_signs_of_life(case: str) -> None:
    ages, fallback, words = PROCESSES[case]
    make.backend(0)
    for name, ago in zip(("worker", "power worker", "beat", "tick"), ages, strict=True):
        seen(name, ago, fallback=fallback and name == "tick")
    answer = client().get(URL, {"type": "worker,powerWorker,beat,tick"})
    body = answer.json()
    assert " ".join(found["status"] for found in body.values()) == words
    assert answer.status_code == (503 if "error" in words else 200)
    told = [body["worker"].get("age"), body["powerWorker"].get("age"), body["beat"].get("age")]
    for age, ago in zip([*told, body["tick"].get("tickAge")], ages, strict=True):
        assert (age is None) == (ago is None)
        assert age is None or ago is None or 0 <= age - ago < 9


def test_the_outbox_is_told_by_its_worker_and_its_channels() -> None:
    def told() -> tuple[int, str, int, int]:
        answer = client().get(URL, {"type": "outbox"})
        body = answer.json()["outbox"]
        return answer.status_code, body["status"], body["channels"], body["failing"]

    assert told() == (200, "degraded", 0, 0)
    channel, _secret = create_channel(name="c", kind="MAIL", recipients=["a@example.com"], actor=make.ACTOR)
    assert told() == (503, "error", 1, 0)
    seen("outbox worker", 1)
    assert told() == (200, "ok", 1, 0)
    Channel.objects.update(failing_since=db_now())
    assert told() == (200, "degraded", 1, 1)
    update_channel(channel, enabled=False, actor=make.ACTOR)
    assert told() == (200, "ok", 0, 0)


def test_where_there_is_no_bmc_nobody_needs_a_power_worker() -> None:
    answer = APIClient().get(URL, {"type": "powerworker"})
    assert (answer.status_code, answer.json()["powerWorker"]["status"]) == (200, "degraded")


def test_a_process_is_asked_for_in_one_query_or_two(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(5):
        for part in ("worker", "powerWorker", "beat", "tick"):
            run_probe(part)


def test_only_what_is_asked_for_is_looked_at_and_counts() -> None:
    for asked in ("db,api", "DB, API"):
        assert list(APIClient().get(URL, {"type": asked}).json()) == ["db", "api"]
    assert list(APIClient().get(f"{URL}?type=api&type=db").json()) == ["api", "db"]
    assert refused(APIClient().get(URL, {"type": "weather"})) == (400, "INVALID_PARAMETER", ["type"])


def test_a_grpc_server_that_is_not_there_is_an_error(settings: Any) -> None:
    settings.MOREH_GRPC_CHECK_TARGET = f"127.0.0.1:{services.free_port()}"
    answer = client(Role.READ_ONLY).get(URL, {"type": "grpc"})
    assert answer.status_code == 503
    assert (answer.json()["grpc"]["status"], answer.json()["grpc"]["detail"]) == ("error", "UNAVAILABLE")


def test_a_grpc_server_that_does_not_serve_is_an_error(grpc_health: health.HealthServicer) -> None:
    grpc_health.set("", Serving.NOT_SERVING)
    answer = client().get(URL, {"type": "grpc"})
    assert (answer.status_code, answer.json()["grpc"]["detail"]) == (503, "NOT_SERVING")


def test_a_broker_that_answers_but_takes_nothing_is_not_ok(broker: redis.Redis) -> None:
    broker.config_set("maxmemory", 1)
    try:
        answer = APIClient().get(URL, {"type": "broker"})
        assert broker.ping()
    finally:
        broker.config_set("maxmemory", 0)
    assert answer.json()["broker"]["status"] == "degraded"
    assert APIClient().get(URL, {"type": "broker"}).json()["broker"]["status"] == "ok"


def test_a_broker_that_is_not_there_only_slows_things_down(settings: Any) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{services.free_port()}/0"
    answer = APIClient().get(URL, {"type": "broker"})
    assert (answer.status_code, answer.json()["broker"]["status"]) == (200, "degraded")


ON, OFF = PowerReading(PowerStatus.ON), PowerReading(PowerStatus.OFF)
SILENT, LOST = PowerReading(PowerStatus.UNKNOWN, "BMC_SILENT"), PowerReading(PowerStatus.UNKNOWN, "DRIVER_LOST")
BMCS: dict[str, tuple[list[PowerReading | None], int, str, tuple[int, int, int]]] = {
    "no BMC at all": ([], 200, "ok", (0, 0, 0)),
    "all answer": ([ON, ON, OFF], 200, "ok", (2, 1, 0)),
    "one is silent": ([ON, SILENT], 200, "degraded", (1, 0, 1)),
    "one was never looked at": ([ON, None], 200, "degraded", (1, 0, 1)),
    "one driver process was lost": ([ON, LOST], 200, "degraded", (1, 0, 1)),
    "the driver works for none": ([LOST, LOST], 503, "error", (0, 0, 2)),
}


@pytest.mark.parametrize("case", BMCS)
def test_ipmi_counts_what_the_sweep_saw(case: str) -> None:
    readings, status, word, counts = BMCS[case]
    nodes = [make.backend(0) for _ in readings]
    store_power_readings(
        {node.pk: reading for node, reading in zip(nodes, readings, strict=True) if reading}, at=db_now()
    )
    answer = client().get(URL, {"type": "ipmi"})
    found = answer.json()["ipmi"]
    assert (answer.status_code, found["status"]) == (status, word)
    assert (found["on"], found["off"], found["unreachable"]) == counts


def test_a_sweep_that_stopped_is_an_error() -> None:
    node = make.backend(0)
    store_power_readings({node.pk: ON}, at=db_now())
    bmc = Bmc.objects.get(pk=node.pk)
    assert bmc.checked_at
    Bmc.objects.update(checked_at=bmc.checked_at - timedelta(minutes=3))
    assert APIClient().get(URL, {"type": "ipmi"}).status_code == 503


def refuse(*_query: Any) -> None:
    raise OperationalError("the server is away; password=s3cret")


@pytest.mark.usefixtures("grpc_health")
def test_a_database_that_is_away_is_said_by_everybody() -> None:
    staff = client()
    with connection.execute_wrapper(refuse):
        answer, ready, live = staff.get(URL), staff.get("/readyz"), staff.get("/livez")
        noun = staff.get("/api/v2/token")
    words = {part: found["status"] for part, found in answer.json().items()}
    assert {part for part in PARTS if words[part] == "ok"} == {"api", "grpc", "broker"}
    assert {word for word in words.values() if word != "ok"} == {"error"}
    assert (answer.status_code, ready.status_code, live.status_code) == (503, 503, 200)
    assert (*refused(noun)[:2], noun["Retry-After"]) == (503, "DATABASE_ERROR", "2")
    assert "s3cret" not in (answer.content + ready.content + noun.content).decode()


@pytest.mark.parametrize("address", ["/livez", "/readyz"])
def test_the_probes_need_no_log_in(address: str) -> None:
    answer = APIClient().get(address)
    assert (answer.status_code, answer.content) == (200, b"ok")
