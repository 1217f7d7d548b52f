"""What the machine can do at most: a durable queue, placement, durable allocations, and nothing of a product.

`python -m benchmarks.scheduler.floor NODES JOBS` prints allocations per second of a pair of tables in the same
PostgreSQL (fsync on): one SELECT of the queue, buckets of free devices in Python, one COPY, one UPDATE, one commit.
Twice: with the least that makes a row an allocation (a unique index: nobody else has that device), and as a bare list.
"""

import json
import shutil
import sys
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter
from typing import Any

import psycopg

from benchmarks.servers import DURABLE
from tests import services

TABLES = """
    DROP TABLE IF EXISTS waiting, held;
    CREATE TABLE waiting (id bigint PRIMARY KEY, priority int, state smallint, devices smallint, started timestamptz)
        WITH (fillfactor = 50);
    CREATE TABLE held (job bigint, node int, mask smallint{unique});
    INSERT INTO waiting SELECT i, i % 100, 0, 1, NULL FROM generate_series(1, {jobs}) AS i;
    CREATE INDEX ON waiting (priority DESC, id) WHERE state = 0
"""
ONCE = ", PRIMARY KEY (node, mask)"
ROUNDS = 3


def measure(nodes: int, jobs: int) -> dict[str, Any]:
    """Give the best of three rounds of each."""
    folder = Path(mkdtemp(prefix="moreh-bench-"))
    try:
        with services.postgresql(folder, DURABLE) as url, psycopg.connect(url) as connection:
            rates = {unique: [_round(connection, nodes, jobs, unique) for _ in range(ROUNDS)] for unique in (ONCE, "")}
            return {"floor_per_s": max(rates[ONCE]), "list_per_s": max(rates[""])}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _round(connection: psycopg.Connection, nodes: int, jobs: int, unique: str) -> float:
    cursor = connection.cursor()
    for statement in TABLES.format(jobs=jobs, unique=unique).split(";"):
        cursor.execute(statement)
    connection.commit()
    begun = perf_counter()
    queue = cursor.execute("SELECT id, devices FROM waiting WHERE state = 0 ORDER BY priority DESC, id").fetchall()
    placed = _place(nodes, queue)
    with cursor.copy("COPY held FROM STDIN") as copy:
        for row in placed:
            copy.write_row(row)
    ids = [job for job, _node, _mask in placed]
    cursor.execute("UPDATE waiting SET state = 1, started = now() WHERE id = ANY(%s)", [ids])
    connection.commit()
    return len(placed) / (perf_counter() - begun)


def _place(nodes: int, queue: list[Any]) -> list[tuple[int, int, int]]:
    """Give one device to each job, on the node with the fewest free ones."""
    free = [0xFF] * nodes
    buckets: list[list[int]] = [[] for _ in range(8)] + [list(range(nodes))]
    placed = []
    for job, _devices in queue:
        bucket = next((count for count in range(1, 9) if buckets[count]), 0)
        if not bucket:
            break
        node = buckets[bucket].pop()
        mask = free[node] & -free[node]
        free[node] ^= mask
        buckets[bucket - 1].append(node)
        placed.append((job, node, mask))
    return placed


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:3]))), flush=True)
