"""What a Prometheus that does not answer as it should comes to: a reason in words, and no trace of its address."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.urls import reverse

from accounts.choices import Role
from backends.telemetry_history import prometheus
from tests import make, services
from tests.admin_world import client_of
from tests.api import V2, client, refused

pytestmark = [pytest.mark.only_sqlite, pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
KEY = "key-of-prometheus-5521"


@contextmanager
def answering(status: int, body: bytes, hold: Event | None = None) -> Iterator[tuple[str, list[Any]]]:
    """Serve one answer to everything; yields the address, and a list of the requests' keys and parameters."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked.append((self.path, self.headers["Authorization"], parse_qs(text)))
            if hold:
                hold.wait(5)
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            """Log nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        if hold:
            hold.set()
        server.shutdown()
        thread.join(5)
        server.server_close()


def chart(settings: Any, address: str) -> Any:
    settings.MOREH_PROMETHEUS_URL, settings.MOREH_PROMETHEUS_KEY = address, KEY
    node = make.backend(1)
    page = reverse("console:telemetry-node", args=[node.pk, "power"]) + "?range=6h"
    return client_of(Role.READ_ONLY).get(page)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"no JSON", "The answer of Prometheus cannot be read."),
        (200, json.dumps({"data": {"result": [{"metric": {}}]}}).encode(), "The answer of Prometheus cannot be read."),
        (200, b" " * 300, "The answer of Prometheus cannot be read."),
        (401, b"", "Prometheus refused the query (HTTP 401)."),
        (302, b"", "Prometheus refused the query (HTTP 302)."),
    ],
)
def test_an_answer_of_no_use_is_told_in_words(
    settings: Any, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, words: str
) -> None:
    monkeypatch.setattr(prometheus, "MOST_BYTES", 200)
    with answering(status, body) as (address, asked):
        answer = chart(settings, address)
    assert (answer.status_code, answer.json()) == (502, {"error": words})
    ((path, key, parameters),) = asked
    assert (path, key, parameters["timeout"]) == ("/api/v1/query_range", f"Bearer {KEY}", ["5s"])


def test_one_that_is_silent_or_away_is_told_in_words(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "TIMEOUT", (1.0, 0.1))
    with answering(200, b"", Event()) as (address, _asked):
        assert chart(settings, address).json() == {"error": "Prometheus did not answer in time."}
    nobody = f"http://127.0.0.1:{services.free_port()}"
    assert chart(settings, nobody).json() == {"error": "Prometheus cannot be reached."}
    answer = client().get(f"{V2}/backend/device/history?backend={make.backend(1).pk}")
    assert refused(answer) == (502, "PROMETHEUS_ERROR", [])
    assert nobody not in answer.content.decode()
