"""A month of allocations of 20,000 tokens on 80,000 devices, written straight into PostgreSQL."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from backends.models import Backend, Device
from benchmarks.rest.fill import fill_tokens
from sda.models import Sda
from tests import make
from tokens.models import Token

LENGTH = timedelta(days=30)
# So that ten million rows are there in minutes, what usage does not read is left out: the index that forbids overlaps,
# and the jobs, which are asked only while they live.
WITHOUT = """
ALTER TABLE scheduler_allocation DROP CONSTRAINT IF EXISTS allocation_no_overlap;
SET session_replication_role = replica;
"""
# As in the shared recipe of the limit: jobs of 1 to 8 devices that hold them for up to four hours, in order of time.
ALLOCATIONS = """
INSERT INTO scheduler_allocation
    (job_id, sda_id, token_id, device_id, sda_model_id, group_id, started_at, ready_at, ended_at)
SELECT n, s.id, s.token_id, (SELECT min(id) FROM backends_device) + (n * 8 + d) %% %(devices)s, s.model_id, 0,
    begun, begun + least(length, interval '20 s'), begun + length
FROM (
    SELECT n, %(begin)s + n * %(step)s::interval AS begun,
        (hashint8(n)::bigint & 1048575) * 13733 / 1000 * interval '1 ms' AS length,
        (hashint8extended(n, 7) & 1048575) %% %(sdas)s AS place
    FROM generate_series(1, %(jobs)s) AS n
) j
JOIN (SELECT id, token_id, model_id, row_number() OVER (ORDER BY id) - 1 AS number FROM sda_sda) s ON s.number = place
CROSS JOIN LATERAL generate_series(1, 1 + n %% 8) AS d
ORDER BY begun
"""


def fill_cluster(backends: int, tokens: int) -> None:
    """Make nodes of 8 devices of two kinds, and tokens with an SDA of one of four models each."""
    made = Backend.objects.bulk_create(
        (Backend(name=f"node-{i}", ip="10.0.0.1", group_id=0, key_digest=f"{i:064}") for i in range(backends)),
        batch_size=2000,
    )
    Device.objects.bulk_create(
        (Device(backend=node, index=i, model=("MI250", "MI300")[node.pk % 2]) for node in made for i in range(8)),
        batch_size=5000,
    )
    fill_tokens(tokens)
    models = [make.sda_model(n) for n in (1, 2, 4, 8)]
    owners = enumerate(Token.objects.order_by("pk").values_list("pk", flat=True))
    sdas = (Sda(token_id=pk, model=models[place % 4], current=True) for place, pk in owners)
    Sda.objects.bulk_create(sdas, batch_size=2000)


def fill_allocations(count: int, begin: datetime) -> None:
    """Write about so many allocations, spread evenly over a month."""
    jobs = round(count / 4.5)
    figures: dict[str, Any] = {"devices": Device.objects.count(), "sdas": Sda.objects.count(), "jobs": jobs}
    step = LENGTH // timedelta(milliseconds=1) / jobs
    with connection.cursor() as cursor:
        cursor.execute(WITHOUT)
        cursor.execute(ALLOCATIONS, {**figures, "begin": begin, "step": f"{int(step)} milliseconds"})
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("VACUUM ANALYZE")
