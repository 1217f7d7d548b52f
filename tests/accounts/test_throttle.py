"""The limit of requests holds whatever comes at once, and is gone when the broker is."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from httpx import Client, Limits
from pytest_django.live_server_helper import LiveServer

from accounts.api import throttle
from accounts.services.access import open_access
from core.throttle import Bucket
from tests import make, services
from tests.api import V2, client, refused


@pytest.fixture(autouse=True)
def _own_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the broker of now: the process's own bucket stays with that of its first request, of a test without one."""
    monkeypatch.setattr(throttle, "bucket", Bucket("rest"))


def test_a_burst_then_the_rate_by_the_brokers_clock() -> None:
    bucket = Bucket("test")
    assert [bucket.take("a", rate=10, burst=3) for _ in range(3)] == [0, 0, 0]
    assert 0 < bucket.take("a", rate=10, burst=3) <= 0.1
    assert bucket.take("b", rate=10, burst=3) == 0
    time.sleep(0.25)
    assert [bucket.take("a", rate=10, burst=3) == 0 for _ in range(3)] == [True, True, False]


def test_a_full_bucket_is_forgotten(broker: redis.Redis) -> None:
    Bucket("test").take("a", rate=100, burst=10)
    assert 0 < broker.pttl("moreh:throttle:test:a") <= 1100


def test_64_threads_share_one_bucket_exactly() -> None:
    buckets = [Bucket("test") for _ in range(64)]  # each with connections of its own, as processes have
    begin = time.monotonic()
    with ThreadPoolExecutor(64) as pool:
        taken = list(pool.map(lambda n: buckets[n % 64].take("a", rate=1, burst=100) == 0, range(640)))
    assert 100 <= sum(taken) <= 100 + int(time.monotonic() - begin) + 1


@pytest.mark.django_db
def test_who_asks_too_often_is_told_when_to_come_back(settings: Any) -> None:
    settings.MOREH_REST_RATE, settings.MOREH_REST_BURST = 0.02, 2
    api, other = client(), client()
    assert [api.get(f"{V2}/token").status_code for _ in range(2)] == [200, 200]
    answer = api.get(f"{V2}/token")
    assert refused(answer) == (429, "THROTTLED", [])
    assert 40 <= int(answer.headers["Retry-After"]) <= 50
    assert other.get(f"{V2}/token").status_code == 200


@pytest.mark.django_db
def test_without_a_broker_nobody_is_held_back(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.MOREH_REST_RATE, settings.MOREH_REST_BURST = 1, 2
    settings.REDIS_URL = f"redis://127.0.0.1:{services.free_port()}/0"
    api = client()
    assert [api.get(f"{V2}/token/group").status_code for _ in range(5)] == [200] * 5
    assert caplog.text.count("throttle_open") == 1  # not once per request


@pytest.mark.django_db(transaction=True)
def test_64_clients_at_a_real_server(live_server: LiveServer, settings: Any) -> None:
    settings.MOREH_REST_RATE, settings.MOREH_REST_BURST = 1, 20
    access = open_access(make.operator(), actor=make.ACTOR).value
    headers = {"Authorization": f"Bearer {access}"}
    with Client(base_url=live_server.url, headers=headers, timeout=50, limits=Limits(max_connections=64)) as web:
        web.get(f"{V2}/auth/tokens")  # opens what a first request opens
        begin = time.monotonic()
        with ThreadPoolExecutor(64) as pool:
            codes = list(pool.map(lambda _: web.get(f"{V2}/auth/tokens").status_code, range(128)))
        lasted = int(time.monotonic() - begin)
    assert set(codes) == {200, 429}
    assert 19 <= codes.count(200) <= 19 + lasted + 2
