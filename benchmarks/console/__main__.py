"""The console's pages in a small and in a large installation: `python -m benchmarks.console [--sizes 100 10000]`.

Starts a private PostgreSQL (fsync on), Redis and a gunicorn as delivered for each size, and asks them for every page in
turns, so that other work on the machine slows all alike. Prints our list of nodes beside Django's own list of a plain
model; how long chromium takes from navigation until the heat map is drawn; then of each page the server time (median,
one client, one connection), queries and transferred size.

There are two tokens and one waiting job per node, and `--history` ended jobs and events per node.
"""

import argparse
import os
import statistics
import time
from dataclasses import dataclass

from benchmarks.console.installation import Installation, browser, installations, use
from benchmarks.console.pages import LIST, PAGES, STOCK, Page
from benchmarks.servers import Client

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
    parser.add_argument("--history", type=int, default=100, help="ended jobs and events per node")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--only", nargs="+", default=[""], help="pages whose names have one of these in them")
    options = parser.parse_args()
    with installations(options) as (sizes, peer):
        print(f"{os.cpu_count()} cores; " + ", ".join(f"{one.nodes:,} nodes" for one in sizes), flush=True)
        _beside(sizes[-1], peer, options.runs)
        for one in sizes:
            cold, *warm = _drawn(one, options.runs)
            shown = f"{cold:.0f} ms cold, {statistics.median(warm):.0f} ms (median)"
            print(f"heat map drawn, {one.nodes:,} nodes: {shown}", flush=True)
        for page in PAGES:
            if any(part in page.name for part in options.only):
                _print(page, _page(page, sizes, options.runs))


def _page(page: Page, sizes: list[Installation], runs: int) -> list[Figures]:
    times = _in_turns([(one.client, one.address(page)) for one in sizes], runs)
    return [
        Figures(ms, _queries(one, one.address(page)), len(one.client.get(one.address(page))[1]))
        for one, ms in zip(sizes, times, strict=True)
    ]


def _in_turns(asked: list[tuple[Client, str]], runs: int) -> list[float]:
    """Ask each client for its address, again and again, and give the medians (ms); the first is not timed."""
    times: list[list[float]] = [[] for _one in asked]
    for _run in range(runs + 1):
        for (client, address), mine in zip(asked, times, strict=True):
            begun = time.perf_counter()
            status, _body, _tag = client.get(address)
            mine.append((time.perf_counter() - begun) * 1000)
            assert status == 200, (address, status)
    return [statistics.median(mine[1:]) for mine in times]


def _queries(one: Installation, address: str) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    use(one.url)
    inside = browser()
    inside.get(address)  # the first look also reads content types, once per process
    with CaptureQueriesContext(connection) as seen:
        assert inside.get(address).status_code == 200, address
    return len(seen)


def _beside(large: Installation, peer: Client, runs: int) -> None:
    page = next(page for page in PAGES if page.name == LIST)
    ours, theirs = _in_turns([(large.client, large.address(page)), (peer, STOCK)], runs)
    said = f"{LIST}, {large.nodes:,}: {ours:.0f} ms; Django's list of a plain model: {theirs:.0f} ms"
    print(f"{said}: {ours / theirs:.2f} x", flush=True)


def _drawn(one: Installation, runs: int) -> list[float]:
    """Return the milliseconds from navigation until the heat map is drawn: cold, then with the files in the cache."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        context = chromium.new_context(viewport={"width": 1366, "height": 768})
        site = f"http://127.0.0.1:{one.port}"
        context.add_cookies([{"name": "sessionid", "value": one.cookie, "url": site}])
        page = context.new_page()
        times = []
        for _run in range(runs):
            page.goto(f"{site}/admin/console/heat/")
            times.append(float(page.wait_for_function(DRAWN).json_value()))
        chromium.close()
    return times


def _print(page: Page, figures: list[Figures]) -> None:
    shown = "".join(f"{f.ms:9.0f} ms {f.queries:3} queries {f.size / 1000:7.1f} kB" for f in figures)
    print(f"{page.name:<26}{shown}{figures[-1].ms / figures[0].ms:8.2f} x", flush=True)


if __name__ == "__main__":
    main()
