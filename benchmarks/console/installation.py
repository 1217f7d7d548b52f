"""Installations of several sizes side by side: a database each on one server, so that they are asked in turns."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psycopg

from benchmarks.console.pages import Page
from benchmarks.servers import DURABLE, Client, gunicorn
from tests import services


@dataclass(frozen=True, slots=True)
class Installation:
    """A web server over a database of some size, and who has logged in there."""

    nodes: int
    url: str
    port: int
    cookie: str
    rows: dict[str, Any]

    @property
    def client(self) -> Client:
        """Return one connection as a browser has it."""
        return Client(self.port, headers(self.cookie))

    def address(self, page: Page) -> str:
        """Return a page's address with numbers of rows that are there."""
        return page.address.format(**self.rows)


def headers(cookie: str) -> dict[str, str]:
    """Return what a browser sends along."""
    return {"Cookie": f"sessionid={cookie}", "Accept-Encoding": "gzip"}


@contextmanager
def installations(options: argparse.Namespace) -> Iterator[tuple[list[Installation], Client]]:
    """Start an installation of each size, the next grown from the last one's copy, and Django's own admin."""
    folder = Path(mkdtemp(prefix="moreh-bench-"))
    try:
        with ExitStack() as stack:
            server = stack.enter_context(services.postgresql(folder, DURABLE))
            broker = stack.enter_context(services.redis_server(folder))
            os.environ.update(DATABASE_URL=server, REDIS_URL=broker, MOREH_DATA_DIR=str(folder / "data"))
            os.environ["DJANGO_SETTINGS_MODULE"] = "moreh_cloud.settings"
            cookie = _prepare()
            filled = [_fill(server, size, options) for size in options.sizes]
            peer = _stock(stack, server, options.sizes[-1])
            yield [_serve(stack, one, cookie) for one in filled], peer
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def use(url: str) -> None:
    """Let Django in this process and the servers started next use another database of the server."""
    from django.db import connection

    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    os.environ["DATABASE_URL"] = url
    connection.settings_dict["NAME"] = url.rpartition("/")[2]


def browser() -> Any:
    """Return a browser inside this process in which an operator has logged in."""
    from django.test import Client as Browser

    from accounts.choices import Role
    from accounts.models import Operator
    from tests import make

    found = Browser(SERVER_NAME="localhost", headers={"accept-encoding": "gzip"})
    known = Operator.objects.filter(username="bench").first()
    found.force_login(known or make.operator(Role.MASTER, username="bench"))
    return found


def _prepare() -> str:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    return str(browser().cookies["sessionid"].value)


def _fill(server: str, size: int, options: argparse.Namespace) -> tuple[int, str, dict[str, Any]]:
    from backends.models import Backend
    from benchmarks.console import fill, fill_customers
    from core.clock import db_now
    from scheduler.models import Job
    from tokens.models import Token

    url = _copy(server, os.environ["DATABASE_URL"], f"nodes_{size}")
    more = size - Backend.objects.count()
    fill.fill_nodes(more)
    fill.fill_tokens(2 * more)
    fill_customers.fill_groups()
    fill_customers.join_groups()
    fill.fill_history(options.history * more)
    fill.fill_live_jobs(more)
    fill_customers.fill_events(options.history * more)
    fill_customers.roll_up()
    past, waiting = Job.objects.filter(ended_at__isnull=False), Job.objects.filter(status="WAITING")
    middle = past.order_by("ended_at")[past.count() // 2]
    rows = {"node": Backend.objects.earliest("pk").pk, "token": Token.objects.earliest("pk").pk}
    today = db_now().date()
    days = {"today": f"{today}T00:00", "year_ago": f"{today - timedelta(days=365)}T00:00"}
    return size, url, rows | days | {"job": waiting.earliest("pk").pk, "past": middle.pk}


def _copy(server: str, url: str, name: str) -> str:
    """Copy a database of the server and turn to the copy."""
    copy = server.rpartition("/")[0] + f"/{name}"
    use(copy)
    with psycopg.connect(server.rpartition("/")[0] + "/template1", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{url.rpartition("/")[2]}"')
    return copy


def _serve(stack: ExitStack, filled: tuple[int, str, dict[str, Any]], cookie: str) -> Installation:
    size, url, rows = filled
    use(url)
    port = stack.enter_context(gunicorn("moreh_cloud.wsgi", "-c", "deploy/gunicorn.conf.py"))
    return Installation(size, url, port, cookie, rows)


def _stock(stack: ExitStack, server: str, rows: int) -> Client:
    """Start Django's own admin over so many rows of a plain model."""
    use(_copy(server, "/template0", "stock"))
    module = "benchmarks.console.stock"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": ""}
    command = [sys.executable, "-m", module, str(rows)]
    filled = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    port = stack.enter_context(
        gunicorn(f"{module}:application", "-k", "gthread", "--threads", "8", "--no-control-socket")
    )
    return Client(port, headers(filled.stdout.strip()))
