"""A large installation, written straight into PostgreSQL."""

from datetime import timedelta

from django.db import connection

from backends.models import Agent, Backend, Bmc, Device, Telemetry
from core.bulk import insert_rows
from core.clock import db_now
from sda.models import Sda
from tests import make
from tokens.models import Token

JOBS = """
INSERT INTO scheduler_job (token_id, sda_id, group_id, num_devices, priority, status, cause, detail, attempt, revision,
    turn, leaves_for, pending_reason, pending_available, pending_needed, pid, process_name, framework, version,
    referer_protocol, referer_ip, request_id, client_seen_at, used_memory, utilization, requested_at, submitted_at,
    started_at, ended_at, exit_code)
SELECT s.token_id, s.id, 0, 1, 0, 'COMPLETED', '', '', 1, 4,
    0, 0, '', 0, 0, n, 'train.py', '', '', 'grpc', '127.0.0.1', n::text,
    %(begin)s + n * interval '30 s', 0, 0, %(begin)s + n * interval '30 s', %(begin)s + n * interval '30 s',
    %(begin)s + n * interval '30 s', %(begin)s + n * interval '30 s' + interval '20 s', 0
FROM generate_series(1, %(count)s) AS n
JOIN (SELECT id, token_id, row_number() OVER (ORDER BY id) - 1 AS place FROM sda_sda) s
    ON s.place = n %% (SELECT count(*) FROM sda_sda)
"""
WORKERS = """
INSERT INTO scheduler_worker (job_id, attempt, backend_id, devices, state, address, error)
SELECT j.id, 1, (SELECT min(id) FROM backends_backend) + j.pid / 8 %% %(backends)s,
    jsonb_build_array(j.pid %% 8), 'GONE', '', ''
FROM scheduler_job j
"""
ALLOCATIONS = """
INSERT INTO scheduler_allocation (job_id, sda_id, token_id, device_id, started_at, ended_at)
SELECT j.id, j.sda_id, j.token_id, (SELECT min(id) FROM backends_device) + j.pid % 8000, j.submitted_at, j.ended_at
FROM scheduler_job j
"""


def fill(backends: int, tokens: int, history: int) -> None:
    """Put nodes with telemetry, tokens with an SDA each, and ended jobs with their allocations into the tables."""
    now = db_now()
    made = Backend.objects.bulk_create(
        Backend(name=f"node-{i}", ip="10.0.0.1", group_id=0, key_digest=f"{i:064}") for i in range(backends)
    )
    Bmc.objects.bulk_create(Bmc(backend=node, ip="10.0.0.1", status="on", checked_at=now) for node in made)
    Agent.objects.bulk_create(Agent(backend=node, last_seen=now, version="0.1.0") for node in made)
    devices = Device.objects.bulk_create(
        Device(backend=node, index=i, model="MI250", total_memory=65536, status="IDLE", why="")
        for node in made
        for i in range(8)
    )
    names = (
        "device_id",
        "used_memory",
        "temperature",
        "memory_temperature",
        "utilization",
        "memory_utilization",
        "power",
    )
    insert_rows(
        Telemetry, (*names, "at"), ((device.pk, 1000, 60.5, 70.5, 99.0, 50.0, 300.0, now) for device in devices)
    )
    fill_tokens(tokens)
    model = make.sda_model()
    owners = Token.objects.values_list("pk", flat=True)
    Sda.objects.bulk_create((Sda(token_id=pk, model=model, current=True) for pk in owners), batch_size=2000)
    begin = now - timedelta(seconds=30 * history + 60)
    with connection.cursor() as cursor:
        cursor.execute(JOBS, {"begin": begin, "count": history})
        cursor.execute(ALLOCATIONS)
        cursor.execute(WORKERS, {"backends": backends})
        cursor.execute("VACUUM ANALYZE")


def fill_tokens(count: int) -> None:
    from core.crypto import digest, new_secret

    values = [new_secret() for _ in range(count)]
    Token.objects.bulk_create(
        (Token(description=f"customer {i}", value=value, value_digest=digest(value)) for i, value in enumerate(values)),
        batch_size=2000,
    )
