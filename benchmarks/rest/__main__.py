"""REST lists beside PostgreSQL's own JSON: `python -m benchmarks.rest [--history 1000000] [--seconds 5]`.

Starts a private PostgreSQL (fsync on), Redis and gunicorn as delivered, fills a large installation and prints requests
per second (one client, one connection) and the ratio to `json_agg` behind the same gunicorn in the same run.
"""

import argparse
import http.client
import json
import os
import shutil
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

from benchmarks.servers import DURABLE, Client, gunicorn
from tests import services

PASSWORD = "benchmark only"  # noqa: S105 - of a database that lives for this run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=20_000)
    parser.add_argument("--history", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    folder = Path(mkdtemp(prefix="moreh-bench-"))
    try:
        with services.postgresql(folder, DURABLE) as url, services.redis_server(folder) as broker:
            os.environ.update(DATABASE_URL=url, REDIS_URL=broker, MOREH_DATA_DIR=str(folder / "data"))
            os.environ.update(DJANGO_SETTINGS_MODULE="moreh_cloud.settings", MOREH_REST_RATE="1000000")
            prepare(options)
            measure(options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prepare(options: argparse.Namespace) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from benchmarks.rest.fill import fill
    from moreh_cloud.accounts.choices import Role
    from tests import make

    call_command("migrate", verbosity=0)
    fill(options.backends, options.tokens, options.history)
    operator = make.operator(Role.MASTER, username="bench")
    operator.set_password(PASSWORD)
    operator.save()


def measure(options: argparse.Namespace) -> None:
    seconds = options.seconds
    with ExitStack() as stack:
        ours = stack.enter_context(gunicorn("moreh_cloud.wsgi", "-c", "deploy/gunicorn.conf.py"))
        limit = stack.enter_context(gunicorn("benchmarks.rest.limit:application", "-k", "gthread", "--threads", "8"))
        client = Client(ours, {"Authorization": f"Bearer {_login(ours)}"})
        floor = Client(limit).rate("/", seconds)
        print(f"{os.cpu_count()} cores; requests/s of one client; json_agg beside us: {floor:.1f}/s")
        _compare("1,000 backends, cold", client.rate("/api/v2/backend", seconds), floor)
        _status, _body, tag = client.get("/api/v2/backend")
        if tag:
            _compare(
                "1,000 backends, unchanged", client.rate("/api/v2/backend", seconds, **{"If-None-Match": tag}), floor
            )
        _compare("20,000 tokens", client.rate("/api/v2/token", seconds), floor)
        _pages(client, seconds, options.history // 2)
        _year(client)


def _pages(client: Client, seconds: float, depth: int) -> None:
    """The first page of the history beside one in its depth."""
    first = client.rate("/api/v2/scheduler/history?limit=500", seconds)
    _status, body, _tag = client.get(f"/api/v2/scheduler/history?limit=500&offset={depth}")
    last = json.loads(body)["jobs"][-1]["id"]
    deep = client.rate(f"/api/v2/scheduler/history?limit=500&after={last}", seconds)
    print(f"{'history, first page':<28}{first:>10.1f}/s")
    print(f"{'history, page at half':<28}{deep:>10.1f}/s{first / deep:>8.2f} x the first page's time")


def _year(client: Client) -> None:
    """The usage of a whole year, once: out of the intervals."""
    now = datetime.now(UTC)
    span = f"starttime={now - timedelta(days=365):%Y-%m-%dT%H:%M:%SZ}&endtime={now:%Y-%m-%dT%H:%M:%SZ}"
    begun = time.perf_counter()
    status, _body, _tag = client.get(f"/api/v2/usage?{span}")
    assert status == 200, status
    print(f"{'usage of a year':<28}{time.perf_counter() - begun:>10.2f} s")


def _compare(what: str, rate: float, floor: float) -> None:
    print(f"{what:<28}{rate:>10.1f}/s{rate / floor:>8.2f} of json_agg")


def _login(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = json.dumps({"id": "bench", "password": PASSWORD})
    connection.request("POST", "/api/v2/auth/token", body, {"Content-Type": "application/json"})
    token: str = json.loads(connection.getresponse().read())["result"]["access"]
    return token


if __name__ == "__main__":
    main()
