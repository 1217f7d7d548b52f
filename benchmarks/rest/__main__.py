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

    from accounts.choices import Role
    from benchmarks.rest.fill import fill
    from core.clock import db_now
    from tests import make
    from usage.services import recount_hours

    call_command("migrate", verbosity=0)
    fill(options.backends, options.tokens, options.history)
    recount_hours(db_now() - timedelta(days=366), db_now(), actor=make.ACTOR)
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
        _pages(client, seconds, options.history)
        _year(client, seconds)


def _pages(client: Client, seconds: float, length: int) -> None:
    """The first page of the history beside pages in its depth."""
    first = client.rate("/api/v2/scheduler/history?limit=500", seconds)
    print(f"{'history, first page':<28}{first:>10.1f}/s")
    for depth in (length // 10, length // 2, length - 600):
        _status, body, _tag = client.get(f"/api/v2/scheduler/history?limit=1&offset={depth}")
        last = json.loads(body)["jobs"][0]["id"]
        deep = client.rate(f"/api/v2/scheduler/history?limit=500&after={last}", seconds)
        print(f"{f'history, page at {depth:,}':<28}{deep:>10.1f}/s{first / deep:>8.2f} x the first page's time")


def _year(client: Client, seconds: float) -> None:
    """The usage of a whole year, of all tokens and of one."""
    now = datetime.now(UTC)
    span = f"starttime={now - timedelta(days=365):%Y-%m-%dT%H:%M:%SZ}&endtime={now:%Y-%m-%dT%H:%M:%SZ}"
    _status, body, _tag = client.get(f"/api/v2/usage?{span}")
    token = json.loads(body)["usage_list"][0]["token"]
    for what, more in (("usage of a year", ""), ("the same of one token", f"&token={token}")):
        print(f"{what:<28}{1000 / client.rate(f'/api/v2/usage?{span}{more}', seconds):>10.1f} ms")
    print(f"{'GROUP BY over the roll-ups':<28}{1000 * min(_grouped() for _ in range(3)):>10.1f} ms")


def _grouped() -> float:
    """Return the seconds of the plain SQL for all tokens."""
    from django.db import connection

    begun = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT token_id, sum(device_ms), min(minimum), max(maximum), count(*) FROM usage_usagehour"
            " WHERE hour >= now() - interval '1 year' GROUP BY token_id"
        )
        assert cursor.fetchall()
    return time.perf_counter() - begun


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
