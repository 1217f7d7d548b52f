"""What the machine can do at most: a durable queue, placement, durable allocations, and nothing of a product.

`python -m benchmarks.scheduler.floor NODES JOBS` prints allocations per second of three narrow tables in the same
PostgreSQL (fsync on): one SELECT of the queue that locks it (SKIP LOCKED) and one of the nodes, buckets of free devices
in Python, one COPY, one UPDATE of the jobs and one of what is free on the nodes, one commit. An index makes sure that
nobody else has a device. Beside it the same as a bare list: no locks, no such index, and free devices known to Python
only; two of these at once would give the same devices to the same jobs.
"""

import json
import shutil
import sys
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from time import perf_counter
from typing import Any

import psycopg

from benchmarks.servers import DURABLE
from tests import services

TABLES = """
    DROP TABLE IF EXISTS waiting, held, node;
    CREATE TABLE waiting (id bigint PRIMARY KEY, priority int, state smallint, devices smallint, started timestamptz)
        WITH (fillfactor = 50);
    CREATE TABLE held (job bigint, node int, mask smallint {unique});
    CREATE TABLE node (id int PRIMARY KEY, free smallint) WITH (fillfactor = 50);
    INSERT INTO waiting SELECT i, i % 100, 0, 1, NULL FROM generate_series(1, {jobs}) AS i;
    INSERT INTO node SELECT i, 255 FROM generate_series(0, {nodes} - 1) AS i;
    CREATE INDEX ON waiting (priority DESC, id) WHERE state = 0
"""
QUEUE = "SELECT id, devices FROM waiting WHERE state = 0 ORDER BY priority DESC, id"
BEGIN = "UPDATE waiting SET state = 1, started = clock_timestamp() WHERE id = ANY(%s)"
KEEP = "UPDATE node SET free = now.free FROM unnest(%s::int[], %s::int[]) AS now (id, free) WHERE node.id = now.id"
ROUNDS = 3


def measure(nodes: int, jobs: int) -> dict[str, Any]:
    """Return the median of three rounds of each."""
    folder = Path(mkdtemp(prefix="moreh-bench-"))
    try:
        with services.postgresql(folder, DURABLE) as url, psycopg.connect(url) as connection:
            kept = [_round(connection, nodes, jobs, kept=True) for _ in range(ROUNDS)]
            bare = [_round(connection, nodes, jobs, kept=False) for _ in range(ROUNDS)]
            return {"floor_per_s": median(kept), "list_per_s": median(bare)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _round(connection: psycopg.Connection, nodes: int, jobs: int, *, kept: bool) -> float:
    cursor = connection.cursor()
    unique = ", PRIMARY KEY (node, mask)" if kept else ""
    for statement in TABLES.format(nodes=nodes, jobs=jobs, unique=unique).split(";"):
        cursor.execute(statement)
    connection.commit()
    begun = perf_counter()
    queue = cursor.execute(QUEUE + " FOR UPDATE SKIP LOCKED" * kept).fetchall()
    free = dict(cursor.execute("SELECT id, free FROM node ORDER BY id") if kept else ((i, 0xFF) for i in range(nodes)))
    placed = _place(free, queue)
    with cursor.copy("COPY held FROM STDIN") as copy:
        for row in placed:
            copy.write_row(row)
    cursor.execute(BEGIN, [[job for job, _node, _mask in placed]])
    if kept:
        touched = sorted({node for _job, node, _mask in placed})
        cursor.execute(KEEP, [touched, [free[node] for node in touched]])
    connection.commit()
    return len(placed) / (perf_counter() - begun)


def _place(free: dict[int, int], queue: list[Any]) -> list[tuple[int, int, int]]:
    """Return one device to each job, on the node with the fewest free ones."""
    buckets: list[list[int]] = [[] for _ in range(9)]
    for node, mask in free.items():
        buckets[mask.bit_count()].append(node)
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
