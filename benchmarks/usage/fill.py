"""A month of allocations of 20,000 tokens on 80,000 devices, written straight into PostgreSQL."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from backends.models import Backend, Device
from benchmarks.rest.fill import fill_tokens
from sda.models import Sda
from tests import make
from tokens.models import Token

PER_JOB = 4.5
STEP = timedelta(milliseconds=1166)  # ten million allocations in 30 days
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
    SELECT n, %(begin)s + n * %(step)s AS begun,
        (hashint8(n)::bigint & 1048575) * 13733 / 1000 * interval '1 ms' AS length,
        (hashint8extended(n, 7) & 1048575) %% %(sdas)s AS place
    FROM generate_series(%(first)s, %(last)s) AS n
) j
JOIN (SELECT id, token_id, model_id, row_number() OVER (ORDER BY id) - 1 AS number FROM sda_sda) s ON s.number = place
CROSS JOIN LATERAL generate_series(1, 1 + n %% 8) AS d
ORDER BY begun
"""


YEAR = (
    """
    INSERT INTO usage_usageday (day, token_id, device_ms, minimum, maximum)
    SELECT %(end)s - d * interval '1 day', t.id, 1000 * t.id + d, t.id %% 3, 8
    FROM generate_series(365, 1, -1) AS d CROSS JOIN tokens_token t ORDER BY 1, 2
    """,
    """
    INSERT INTO usage_usagemonth (month, token_id, device_ms, minimum, maximum)
    SELECT date_trunc('month', day, 'Asia/Seoul'), token_id, sum(device_ms), min(minimum), max(maximum)
    FROM usage_usageday GROUP BY 1, 2 ORDER BY 1, 2
    """,
    """
    INSERT INTO usage_closedday (day, until, device_ms, minimum, maximum, closed_at)
    SELECT day, day + interval '1 day', sum(device_ms), min(minimum), 80000, now() FROM usage_usageday GROUP BY 1
    """,
    """
    INSERT INTO usage_closedmonth (month, until, device_ms, minimum, maximum, closed_at)
    SELECT month, month + interval '1 month', sum(device_ms), min(minimum), 80000, now()
    FROM usage_usagemonth GROUP BY 1
    """,
)


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


def fill_allocations(first: int, last: int, begin: datetime) -> None:
    """Write the jobs of these numbers with 4.5 allocations each on average, one every STEP from `begin` on."""
    figures: dict[str, Any] = {"first": first, "last": last, "begin": begin, "step": STEP}
    figures |= {"devices": Device.objects.count(), "sdas": Sda.objects.count()}
    with connection.cursor() as cursor:
        cursor.execute(WITHOUT)
        cursor.execute(ALLOCATIONS, figures)
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("VACUUM ANALYZE")


def fill_year(end: datetime) -> None:
    """Write days and months of a year up to a local midnight, in which every token held something every day."""
    with connection.cursor() as cursor:
        for statement in YEAR:
            cursor.execute(statement, {"end": end})
        cursor.execute("VACUUM ANALYZE")
