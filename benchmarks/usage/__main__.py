"""Roll-ups beside plain SQL: `python -m benchmarks.usage [--rows 10000000]`.

Starts a private PostgreSQL (fsync on), fills 10,000 nodes, 20,000 tokens and their allocations, and prints seconds and
ratios of one run: rolling all hours up, closing one hour with a tenth and with all of the rows, and a year's usage.
"""

import argparse
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from typing import Any

from benchmarks.servers import DURABLE
from tests import services

BEGIN = datetime(2026, 9, 30, 15, tzinfo=UTC)  # midnight in Seoul, the zone of the installation
HOUR = timedelta(hours=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--backends", type=int, default=10_000)
    parser.add_argument("--tokens", type=int, default=20_000)
    options = parser.parse_args()
    folder = Path(mkdtemp(prefix="moreh-bench-"))
    try:
        with services.postgresql(folder, DURABLE) as url, services.redis_server(folder) as broker:
            os.environ.update(DATABASE_URL=url, REDIS_URL=broker, MOREH_DATA_DIR=str(folder / "data"))
            os.environ.update(DJANGO_SETTINGS_MODULE="moreh_cloud.settings")
            measure(options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(options: argparse.Namespace) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from benchmarks.usage import fill

    call_command("migrate", verbosity=0)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    fill.fill_cluster(options.backends, options.tokens)
    jobs = round(options.rows / fill.PER_JOB)
    fill.fill_allocations(1, jobs // 10, BEGIN)
    few = close_one_hour(BEGIN + jobs // 10 * fill.STEP)
    fill.fill_allocations(jobs // 10 + 1, jobs, BEGIN)
    many = close_one_hour(BEGIN + jobs * fill.STEP)
    say("closing one hour, a tenth of the rows", few)
    say("closing one hour, all rows", many, few)
    roll_everything_up(BEGIN + jobs * fill.STEP + 8 * HOUR)
    fill.fill_year(BEGIN)
    sum_a_year()


def close_one_hour(end: datetime) -> float:
    """Return the median seconds of closing an hour that lies a little before the last allocation."""
    from django.db import transaction

    from benchmarks.usage.plain import timed
    from usage.calendar import floor_hour
    from usage.rollups.grains import HOURS
    from usage.rollups.lock import lock_rollups
    from usage.rollups.periods import clear
    from usage.services import write_closed_hours

    hour = floor_hour(end) - 3 * HOUR
    found = []
    for _ in range(7):
        with transaction.atomic():
            lock_rollups()
            clear(HOURS, hour, hour + HOUR)
            found.append(timed(lambda: write_closed_hours(hour, hour + HOUR)))
    with transaction.atomic():
        clear(HOURS, hour, hour + HOUR)
    return median(found)


def roll_everything_up(end: datetime) -> None:
    from benchmarks.usage import plain
    from usage.calendar import ceil_hour
    from usage.services import close_hours

    ours = plain.timed(lambda: close_hours(ceil_hour(end)))
    theirs = plain.roll_up()
    assert plain.sums("usage_usagehour") == plain.sums("plain_usage")
    say("rolling all hours up, plain SQL", theirs)
    print(f"{'rolling all hours up':<48}{ours:>10.2f} s   {theirs / ours:.2f} times as fast", flush=True)


def sum_a_year() -> None:
    """Sum a year of everybody and of one token; the plain sums are of the same months, and of the days."""
    from benchmarks.usage import plain

    start = datetime(2025, 9, 30, 15, tzinfo=UTC)
    whole, ragged = (start, BEGIN), (start + 12 * 24 * HOUR, BEGIN)
    for who, token in (("all tokens", None), ("one token", 77)):
        tokens = [token] if token else None
        months = _best(partial(plain.year, "month", *whole, token))
        days = _best(partial(plain.year, "day", *whole, token))
        say(f"a year of {who}, GROUP BY over months", months)
        say(f"a year of {who}, GROUP BY over days", days)
        say(f"a year of {who}", _best(partial(_held, whole, tokens)), months)
        ours = _best(partial(_held, ragged, tokens))
        say(f"353 days of {who}: months inside, days around", ours, days)


def _held(between: tuple[datetime, datetime], tokens: list[int] | None) -> object:
    from usage.rollups.cover import cover
    from usage.rollups.reading import held_by_token

    return held_by_token(cover(*between), tokens)


def _best(work: Callable[[], Any]) -> float:
    from benchmarks.usage.plain import timed

    return min(timed(work) for _ in range(5))


def say(what: str, seconds: float, beside: float | None = None) -> None:
    ratio = f"   {seconds / beside:.2f}x" if beside else ""
    print(f"{what:<48}{seconds:>10.4f} s{ratio}", flush=True)


if __name__ == "__main__":
    main()
