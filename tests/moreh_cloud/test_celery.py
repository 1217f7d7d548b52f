"""A real worker process on a real broker: it serves its queue, and comes back by itself when the broker does."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from celery import Celery
from kombu import Connection

import moreh_cloud.consumer  # noqa: F401 - it teaches kombu
from tests import services

ROOT = Path(__file__).parents[2]


@contextmanager
def worker(queue: str, environment: dict[str, str], log: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "celery", "-A", "moreh_cloud", "worker", "-P", "threads", "-c", "1", "-Q", queue]
    with log.open("w") as out, subprocess.Popen(command, env=environment, cwd=ROOT, stdout=out, stderr=out) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


def seconds_until(seen: Callable[[], object], limit: float) -> float:
    begin = time.monotonic()
    while not seen():
        assert time.monotonic() - begin < limit, f"not seen within {limit} s"
    return time.monotonic() - begin


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_worker_serves_its_queue_and_returns_soon_after_the_broker_does(tmp_path: Path) -> None:
    environment = {**os.environ, "REDIS_URL": f"unix://{tmp_path}/valkey.sock", "MOREH_LOG_FORMAT": "json"}
    ear = Celery(broker=f"redis+socket://{tmp_path}/valkey.sock", set_as_current=False)

    def answers() -> object:
        with ear.connection_for_write() as connection:
            return ear.control.ping(timeout=0.5, connection=connection)

    log = tmp_path / "worker.log"

    def pauses() -> list[str]:
        return re.findall(r"Trying again in ([0-9.]+) seconds", log.read_text())

    with worker("power", environment, log):
        with services.valkey(tmp_path):
            seconds_until(answers, limit=90)
            told = ear.control.inspect(timeout=1).active_queues() or {}
            assert [[queue["name"] for queue in queues] for queues in told.values()] == [["power"]]
        before = len(pauses())  # it may have been there before the broker
        seconds_until(lambda: len(pauses()) > before + 3, limit=90)
        with services.valkey(tmp_path):
            seconds_until(answers, limit=90)
    assert set(pauses()) == {"2.00"}  # Celery's own are 2, 4, 6, 8 s and so on
    assert '"level": "error"' in log.read_text()  # the outage is told


def test_what_is_acknowledged_after_the_connection_was_lost_ends_no_worker(tmp_path: Path) -> None:
    with services.valkey(tmp_path), Connection(f"redis+socket://{tmp_path}/valkey.sock") as connection:
        bells = connection.SimpleQueue("bells")
        bells.put("tick")
        rung = bells.get(timeout=5)
        bells.channel.close()  # type: ignore[attr-defined]
        with pytest.raises(connection.connection_errors):  # a worker survives those
            rung.ack()


# How a broker that is there refuses to serve, and how it is made to serve again.
REFUSALS = {
    "out of memory": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "read-only": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
}


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_worker_waits_for_a_broker_that_refuses_to_serve_and_goes_on_by_itself(tmp_path: Path) -> None:
    environment = {**os.environ, "REDIS_URL": f"unix://{tmp_path}/valkey.sock", "MOREH_LOG_FORMAT": "json"}
    log = tmp_path / "worker.log"
    with services.valkey(tmp_path) as url, redis.Redis.from_url(url) as client, worker("power", environment, log):
        ear = Celery(broker=f"redis+socket://{tmp_path}/valkey.sock", set_as_current=False)
        with ear.connection_for_write() as connection:
            seconds_until(lambda: ear.control.ping(timeout=0.5, connection=connection), limit=90)
        for refusal, (refuse, serve) in REFUSALS.items():
            before = lost(log)
            for _time in range(20):  # more than the worker has taken when the refusal comes
                ear.send_task("backends.tasks.probe_bmcs", queue="power", retry=False)
            client.execute_command(*refuse)
            seconds_until(lambda: lost(log) > before, limit=60)  # noqa: B023 - called here
            client.execute_command(*serve)
            ear.send_task("backends.tasks.probe_bmcs", queue="power", retry=False)
            assert seconds_until(lambda: client.llen("power") == 0, limit=30) < 15, refusal
        assert "Unrecoverable" not in log.read_text()


def lost(log: Path) -> int:
    """Return how often a worker said that it cannot go on with its broker."""
    return len(re.findall("Unrecoverable|Connection to broker lost", log.read_text()))
