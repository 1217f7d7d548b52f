"""The web server beside clients that send halves: `python -m benchmarks.web [--crowds 8,56,130] [--gthread]`.

Starts gunicorn as delivered on a new SQLite database and asks, beside each crowd of such clients, for /livez and for a
list as an operator over new connections. Prints median and worst milliseconds; "none" is no answer within 6 s.
`--gthread` runs gunicorn's own worker instead, for comparison.
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.servers import ROOT, gunicorn
from tests import services

PASSWORD = "benchmark only"  # noqa: S105 - of a database that lives for this run
TIMEOUT = 6.0  # seconds
LIST = "/api/v2/sdamodel"
LARGE = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
CROWDS = {
    "half bodies": b'POST /api/v2/auth/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"id":',
    "half heads": b"GET /x HTTP/1.1\r\nHost: a\r\nX",
    "silent": b"",
    "kept open": b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "not reading": f"GET {LARGE} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crowds", default="8,56,130")
    parser.add_argument("--asked", type=int, default=20)
    parser.add_argument("--gthread", action="store_true")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="moreh-web-") as folder, services.valkey(Path(folder)) as broker:
        os.environ.update(MOREH_DATA_DIR=folder, REDIS_URL=broker, MOREH_DEMO_NODES="0", MOREH_REST_RATE="1000000")
        for command in (["prepare"], ["collectstatic", "--noinput", "-v0"]):
            own = {"MOREH_ADMIN_PASSWORD": PASSWORD}
            subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env={**os.environ, **own}, check=True)
        worker = ["-k", "gthread"] if options.gthread else []
        with gunicorn("moreh_cloud.wsgi", "-c", "deploy/gunicorn.conf.py", *worker) as port:
            _measure(port, [0, *map(int, options.crowds.split(","))], options.asked)


def _measure(port: int, numbers: list[int], asked: int) -> None:
    login = json.dumps({"id": "admin", "password": PASSWORD})
    headers = {"Content-Type": "application/json"}
    access = json.loads(_ask(port, "POST", "/api/v2/auth/token", login, headers))["result"]["access"]
    operator = {"Authorization": f"Bearer {access}"}
    print(f"{'crowd':<20} {'/livez':>16} {LIST:>20}   median / worst, ms")
    for name, data in CROWDS.items():
        for number in numbers:
            with ExitStack() as stack:
                for _one in range(number):
                    stack.enter_context(_client(port, data))
                figures = [_timed(port, path, operator, asked) for path in ("/livez", LIST)]
            print(f"{number:>4} {name:<15} {figures[0]:>16} {figures[1]:>20}", flush=True)


def _client(port: int, data: bytes) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # takes little of what it does not read
    client.connect(("127.0.0.1", port))
    client.sendall(data)
    return client


def _timed(port: int, path: str, headers: dict[str, str], asked: int) -> str:
    times = []
    for _time in range(asked):
        begun = time.perf_counter()
        try:
            _ask(port, "GET", path, None, headers)
        except TimeoutError:
            return "none"
        times.append((time.perf_counter() - begun) * 1000)
    return f"{statistics.median(times):.1f} / {max(times):.1f}"


def _ask(port: int, method: str, path: str, body: str | None, headers: dict[str, str]) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT if method == "GET" else 60)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        return answer.read()
    finally:
        connection.close()


if __name__ == "__main__":
    main()
