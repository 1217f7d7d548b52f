"""A portal that calls REST on a web server which may be killed, and repeats calls until they are answered."""

import json
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

TIMEOUT_S = 30.0  # seconds
AGAIN = (429, 503)  # statuses after which a call is repeated later


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Portal:
    """Calls on a port of this host, with an access token."""

    port: int
    access: str

    def call(self, method: str, path: str, body: object = None, key: str = "") -> Answer:
        """Call once. Raises OSError or HTTPException when the connection breaks."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self.access}", "Content-Type": "application/json"}
        try:
            connection.request(
                method, path, json.dumps(body or {}), headers | ({"Idempotency-Key": key} if key else {})
            )
            answer = connection.getresponse()
            text = answer.read()
            is_json = answer.headers.get_content_type() == "application/json"
            return Answer(answer.status, dict(answer.headers), json.loads(text) if is_json else text.decode())
        finally:
            connection.close()

    def retry(self, method: str, path: str, body: object = None, key: str = "") -> Answer:
        """Repeat a call until it is answered. Raises TimeoutError."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                answer = self.call(method, path, body, key)
            except (OSError, HTTPException):
                time.sleep(0.05)
                continue
            if answer.status not in AGAIN:
                return answer
            time.sleep(0.2)
        raise TimeoutError(path)
