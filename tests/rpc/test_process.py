"""The server as a process of its own: `manage.py grpc`."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def _serving(site: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "manage.py", "grpc"]
    process = subprocess.Popen(command, cwd=ROOT, env=site, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _health(site: dict[str, str], within: float = 20.0) -> int:
    with grpc.insecure_channel(f"127.0.0.1:{site['MOREH_GRPC_PORT']}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer: int = stub.Check(health_pb2.HealthCheckRequest(), timeout=within, wait_for_ready=True).status
    return answer


@pytest.mark.slow
def test_the_process_serves_and_ends_well_on_sigterm(site_env: dict[str, str]) -> None:
    with _serving(site_env) as process:
        assert _health(site_env) == health_pb2.HealthCheckResponse.SERVING
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _out, log = process.communicate(timeout=30)
        assert (process.returncode, time.monotonic() - begun < 10) == (0, True)
    events = [json.loads(line)["event"] for line in log.splitlines() if line.startswith("{")]
    assert [event for event in events if event.startswith("grpc_")] == ["grpc_serving", "grpc_stopping"]


@pytest.mark.slow
def test_a_port_that_is_taken_stops_the_process_with_a_clear_message(site_env: dict[str, str]) -> None:
    with _serving(site_env):
        _health(site_env)
        with _serving(site_env) as second:
            _out, log = second.communicate(timeout=20)
        assert second.returncode == 1
        assert f"Port 127.0.0.1:{site_env['MOREH_GRPC_PORT']} is taken." in log
