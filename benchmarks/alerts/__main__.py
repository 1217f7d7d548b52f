"""Raising and clearing alerts of many nodes at once: `python -m benchmarks.alerts [--nodes 10000] [--rules 10]`.

Starts a private PostgreSQL (fsync on) and Redis. In one transaction each, raises an alert about every node, raises it
again and clears it: without rules, and with rules of which half mean all of them; beside one INSERT and one UPDATE of
the same number of bare rows.
"""

import argparse
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from benchmarks.servers import DURABLE
from tests import services

if TYPE_CHECKING:
    pass

ROUNDS = 3
BARE = (
    ("insert", "INSERT INTO bare (subject, code, at) SELECT n, 'NODE_SILENT', now() FROM generate_series(1, %s) n"),
    ("update", "UPDATE bare SET at = now() WHERE subject <= %s"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--rules", type=int, default=10)
    options = parser.parse_args()
    folder = Path(mkdtemp(prefix="moreh-bench-"))
    try:
        with services.postgresql(folder, DURABLE) as url, services.redis_server(folder) as broker:
            os.environ.update(DATABASE_URL=url, REDIS_URL=broker, MOREH_DATA_DIR=str(folder / "data"))
            os.environ.update(DJANGO_SETTINGS_MODULE="moreh_cloud.settings")
            measure(options.nodes, options.rules)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(nodes: int, rules: int) -> None:
    """Print the times of each step."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from benchmarks.agents.fill import add_nodes

    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {nodes} nodes", flush=True)
    add_nodes(nodes)
    bare(nodes)
    rounds("no rules")
    add_rules(rules)
    rounds(f"{rules} rules, {(rules + 1) // 2} mean all")


def bare(nodes: int) -> None:
    """Print the limit: the same number of rows written without any of our code."""
    from django.db import connection

    times: dict[str, list[float]] = {}
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bare (id bigserial PRIMARY KEY, subject bigint, code text, at timestamptz)")
        for _ in range(ROUNDS):
            cursor.execute("TRUNCATE bare")
            for name, statement in BARE:
                begin = time.perf_counter()
                cursor.execute(statement, [nodes])
                times.setdefault(name, []).append(time.perf_counter() - begin)
    show("bare rows", times)


def add_rules(number: int) -> None:
    """Add rules of one mail channel: every second means all categories, the others one that is not raised."""
    from events.actor import SYSTEM
    from notifications.services.rules import create_rule
    from outbox.services import create_channel

    channel, _secret = create_channel(name="ops", kind="MAIL", recipients=["ops@example.com"], actor=SYSTEM)
    for n in range(number):
        only = {"categories": ["BUDGET_NEAR"]} if n % 2 else {}
        create_rule(name=f"rule {n}", channels=[channel], actor=SYSTEM, **only)


def rounds(title: str) -> None:
    """Raise, raise again and clear, several times; print the medians."""
    from alerts.choices import Category
    from alerts.codes import Code
    from alerts.services import NewAlert, clear_alerts, raise_alerts
    from alerts.subjects import node
    from backends.models import Backend

    known = list(Backend.objects.values_list("pk", "name"))
    new: list[NewAlert] = [NewAlert(Code.NODE_SILENT, node(pk), {"node": name}) for pk, name in known]
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("raise", lambda: raise_alerts(new)),
        ("raise again", lambda: raise_alerts(new)),
        ("clear", lambda: clear_alerts(Category.NODE_SILENT, [node(pk) for pk, _name in known])),
    )
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, step in steps:
            begin = time.perf_counter()
            step()
            times.setdefault(name, []).append(time.perf_counter() - begin)
    show(title, times)


def show(title: str, times: dict[str, list[float]]) -> None:
    told = ", ".join(f"{name} {median(spent):.2f} s" for name, spent in times.items())
    print(f"{title}: {told}", flush=True)


if __name__ == "__main__":
    main()
