"""/api/check, /livez and /readyz on real parts."""

from collections.abc import Iterator
from concurrent import futures
from datetime import timedelta
from typing import Any

import grpc
import pytest
from django.db import OperationalError, connection
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from rest_framework.test import APIClient

from backends.choices import PowerStatus
from backends.models import Bmc
from backends.services.power import Sight, note_sights
from moreh_cloud.accounts.choices import Role
from tests import make, services
from tests.api import client, refused

pytestmark = pytest.mark.django_db
URL = "/api/check"
Serving = health_pb2.HealthCheckResponse


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


@pytest.mark.usefixtures("grpc_health")
def test_a_stranger_sees_that_all_is_well_and_no_more() -> None:
    answer = APIClient().get(URL)
    body = answer.json()
    assert answer.status_code == 200
    assert {part: found["status"] for part, found in body.items()} == dict.fromkeys(
        ("api", "db", "grpc", "ipmi", "broker"), "ok"
    )
    assert {frozenset(found) for found in body.values()} == {frozenset({"status", "latency"})}
    assert all(found["latency"] >= 0 for found in body.values())


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


def test_a_broker_that_is_not_there_only_slows_things_down(settings: Any) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{services.free_port()}/0"
    answer = APIClient().get(URL, {"type": "broker"})
    assert (answer.status_code, answer.json()["broker"]["status"]) == (200, "degraded")


ON, OFF = Sight(PowerStatus.ON), Sight(PowerStatus.OFF)
SILENT, LOST = Sight(PowerStatus.UNKNOWN, "BMC_SILENT"), Sight(PowerStatus.UNKNOWN, "DRIVER_LOST")
BMCS: dict[str, tuple[list[Sight | None], int, str, tuple[int, int, int]]] = {
    "no BMC at all": ([], 200, "ok", (0, 0, 0)),
    "all answer": ([ON, ON, OFF], 200, "ok", (2, 1, 0)),
    "one is silent": ([ON, SILENT], 200, "degraded", (1, 0, 1)),
    "one was never looked at": ([ON, None], 200, "degraded", (1, 0, 1)),
    "one driver process was lost": ([ON, LOST], 200, "degraded", (1, 0, 1)),
    "the driver works for none": ([LOST, LOST], 503, "error", (0, 0, 2)),
}


@pytest.mark.parametrize("case", BMCS)
def test_ipmi_counts_what_the_sweep_saw(case: str) -> None:
    sights, status, word, counts = BMCS[case]
    nodes = [make.backend(0) for _ in sights]
    note_sights({node.pk: sight for node, sight in zip(nodes, sights, strict=True) if sight})
    answer = client().get(URL, {"type": "ipmi"})
    found = answer.json()["ipmi"]
    assert (answer.status_code, found["status"]) == (status, word)
    assert (found["on"], found["off"], found["unreachable"]) == counts


def test_a_sweep_that_stopped_is_an_error() -> None:
    node = make.backend(0)
    note_sights({node.pk: ON})
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
    assert words == {"api": "ok", "db": "error", "grpc": "ok", "ipmi": "error", "broker": "ok"}
    assert (answer.status_code, ready.status_code, live.status_code) == (503, 503, 200)
    assert (*refused(noun)[:2], noun["Retry-After"]) == (503, "DATABASE_ERROR", "2")
    assert "s3cret" not in (answer.content + ready.content + noun.content).decode()


@pytest.mark.parametrize("address", ["/livez", "/readyz"])
def test_the_probes_need_no_log_in(address: str) -> None:
    answer = APIClient().get(address)
    assert (answer.status_code, answer.content) == (200, b"ok")
