"""A receiver of signed webhooks with nothing but Python's standard library: verifies, deduplicates, prints.

WEBHOOK_SECRET=whsec_… python webhook_receiver.py 8080 seen.sqlite3
"""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOLERANCE = 300  # seconds that the clocks of sender and receiver may differ
LONGEST = 1 << 20  # bytes of a message


def is_genuine(secret: str, headers: dict[str, str], body: bytes, now: float) -> bool:
    """Whether a message is signed with the secret and recent; headers by their names in small letters."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not timestamp.isdecimal() or abs(now - int(timestamp)) > TOLERANCE:
        return False
    signed = f"{message_id}.{timestamp}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = [part.partition(",") for part in headers.get("webhook-signature", "").split()]
    return any(version == "v1" and hmac.compare_digest(value, wanted) for version, _comma, value in given)


class Seen:
    """The ids of the messages that were processed, in a file."""

    def __init__(self, path: str) -> None:
        self._path = path
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY)")

    def process_once(self, message_id: str, message: dict[str, Any]) -> None:
        """Process a message unless it was processed before; both are one transaction."""
        with sqlite3.connect(self._path) as database:
            if database.execute("INSERT OR IGNORE INTO seen VALUES (?)", [message_id]).rowcount:
                process(message)


def process(message: dict[str, Any]) -> None:
    """Do what there is to do about a message."""
    for event in message["data"].get("events", [message["data"]]):
        print(json.dumps(event), flush=True)


class Receiver(BaseHTTPRequestHandler):
    """Answer 204 for what is genuine, 401 for what is not."""

    protocol_version = "HTTP/1.1"
    secret = os.environ.get("WEBHOOK_SECRET", "")
    seen: Seen

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LONGEST:
            self.close_connection = True
            return self._answer(413)
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not is_genuine(self.secret, headers, body, time.time()):
            return self._answer(401)
        self.seen.process_once(headers["webhook-id"], json.loads(body))
        return self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Print no line for a request: what is processed is printed."""


if __name__ == "__main__":
    Receiver.seen = Seen(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
