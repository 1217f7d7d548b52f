"""The console's pages in a small and in a large installation: `python -m benchmarks.console [--sizes 100 10000]`.

Starts a private PostgreSQL (fsync on), Redis and gunicorn as delivered, and prints server time (median, one client, one
connection), queries and transferred size (gzip) of every page, then how long chromium takes from navigation until the
heat map is drawn. Tokens are two per node, ended jobs `--history` per node.
"""

import argparse
import os
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from benchmarks.console.pages import PAGES, Page
from benchmarks.servers import DURABLE, Client, gunicorn
from tests import services

CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
DRAWN = "performance.getEntriesByName('heat:drawn')[0]?.startTime"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one page at one size: milliseconds, queries, bytes on the wire."""

    ms: float
    queries: int
    size: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 10_000], help="numbers of nodes, ascending")
    parser.add_argument("--history", type=int, default=100, help="ended jobs per node")
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    with installation() as cookie:
        measured = [_measure(size, options, cookie) for size in options.sizes]
    _print(options.sizes, measured)


@contextmanager
def installation() -> Iterator[str]:
    """Start an empty installation in which an operator has logged in; yields the cookie."""
    folder = Path(mkdtemp(prefix="moreh-bench-"))
    try:
        with services.postgresql(folder, DURABLE) as url, services.redis_server(folder) as broker:
            os.environ.update(DATABASE_URL=url, REDIS_URL=broker, MOREH_DATA_DIR=str(folder / "data"))
            os.environ["DJANGO_SETTINGS_MODULE"] = "moreh_cloud.settings"
            yield _prepare()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare() -> str:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    return str(_browser().cookies["sessionid"].value)


def _browser() -> Any:
    from django.test import Client as Browser

    from moreh_cloud.accounts.choices import Role
    from moreh_cloud.accounts.models import Operator
    from tests import make

    browser = Browser(SERVER_NAME="localhost", headers={"accept-encoding": "gzip"})
    known = Operator.objects.filter(username="bench").first()
    browser.force_login(known or make.operator(Role.MASTER, username="bench"))
    return browser


def _measure(size: int, options: argparse.Namespace, cookie: str) -> tuple[dict[str, Figures], list[float]]:
    from backends.models import Backend
    from benchmarks.console import fill
    from tokens.models import Token

    more = size - Backend.objects.count()
    fill.fill_nodes(more)
    fill.fill_tokens(2 * more)
    fill.fill_live_jobs(more)
    fill.fill_history(options.history * more)
    rows = {"node": Backend.objects.first().pk, "token": Token.objects.first().pk}  # type: ignore[union-attr]
    browser = _browser()
    with gunicorn("moreh_cloud.wsgi", "-c", "deploy/gunicorn.conf.py") as port:
        client = Client(port, {"Cookie": f"sessionid={cookie}", "Accept-Encoding": "gzip"})
        pages = {page.name: _page(client, browser, page, rows, options.runs) for page in PAGES}
        return pages, _drawn(port, cookie, options.runs)


def _page(client: Client, browser: Any, page: Page, rows: dict[str, int], runs: int) -> Figures:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    address = page.address.format(**rows)
    with CaptureQueriesContext(connection) as seen:
        assert browser.get(address).status_code == 200, address
    times = []
    for _run in range(runs + 1):
        begun = time.perf_counter()
        status, body, _tag = client.get(address)
        times.append((time.perf_counter() - begun) * 1000)
        assert status == 200, (address, status)
    return Figures(statistics.median(times[1:]), len(seen), len(body))


def _drawn(port: int, cookie: str, runs: int) -> list[float]:
    """Give the milliseconds from navigation until the heat map is drawn: cold, then with the files in the cache."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        context = browser.new_context(viewport={"width": 1366, "height": 768})
        site = f"http://127.0.0.1:{port}"
        context.add_cookies([{"name": "sessionid", "value": cookie, "url": site}])
        page = context.new_page()
        times = []
        for _run in range(runs):
            page.goto(f"{site}/admin/console/heat/")
            times.append(float(page.wait_for_function(DRAWN).json_value()))
        browser.close()
    return times


def _print(sizes: list[int], measured: list[tuple[dict[str, Figures], list[float]]]) -> None:
    print(f"{os.cpu_count()} cores; " + ", ".join(f"{size:,} nodes" for size in sizes))
    for page in PAGES:
        of_page = [pages[page.name] for pages, _drawn in measured]
        shown = "".join(f"{f.ms:9.0f} ms {f.queries:3} queries {f.size / 1000:7.1f} kB" for f in of_page)
        print(f"{page.name:<26}{shown}{of_page[-1].ms / of_page[0].ms:8.2f} x")
    for size, (_pages, drawn) in zip(sizes, measured, strict=True):
        cold, *warm = drawn
        print(f"heat map drawn, {size:,} nodes: {cold:.0f} ms cold, {statistics.median(warm):.0f} ms (median)")


if __name__ == "__main__":
    main()
