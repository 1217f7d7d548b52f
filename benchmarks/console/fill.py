"""A large installation, written straight into PostgreSQL; every call adds to what is there.

fill_nodes(10_000)    nodes with eight devices, telemetry and BMCs, in ten groups
fill_tokens(20_000)   customers with an SDA each
fill_live_jobs(2_000) jobs on the devices, until seven of ten are held, and so many that wait
fill_history(1_000_000) jobs that are over, with their allocations, in the last 30 days
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import cycle, groupby
from operator import itemgetter

from django.db import connection
from django.db.models import Count, Max, Min

from alerts.choices import Category, Level, SubjectKind
from alerts.models import Alert
from backends.models import Agent, Backend, BackendGroup, Bmc, Device, Telemetry
from core.bulk import insert_rows, reserve_ids
from core.clock import db_now
from core.crypto import digest, new_secret
from scheduler.models import Allocation, Job, Worker
from sda.models import Sda, SdaModel
from tokens.models import Token

GROUPS = 10
DEVICES = 8
SIZES = (8, 4, 4, 1, 2, 1, 8, 16, 2, 2)  # of the jobs that run, again and again
ODD = (("SHUTDOWN", "UNHEALTHY"), ("CLEANING", ""), ("BUSY", ""))  # the last device of every fifth node, in turn
TELEMETRY = ("used_memory", "temperature", "memory_temperature", "utilization", "memory_utilization", "power")
HISTORY = """
INSERT INTO scheduler_job (token_id, sda_id, group_id, num_devices, priority, status, cause, detail, attempt, revision,
    turn, leaves_for, pending_reason, pending_available, pending_needed, pid, process_name, framework, version,
    referer_protocol, referer_ip, request_id, client_seen_at, used_memory, utilization, requested_at, submitted_at,
    started_at, ended_at, exit_code)
SELECT s.token_id, s.id, 0, 1, 0, (array['COMPLETED', 'COMPLETED', 'COMPLETED', 'FAILED', 'CANCELED'])[1 + n %% 5],
    CASE WHEN n %% 5 = 3 THEN 'EXIT_CODE' ELSE '' END, '', 1, 4, 0, 0, '', 0, 0, n, 'train.py', 'pytorch 2.3', '24.9',
    'grpc', '127.0.0.1', %(batch)s || n, t.begun, 0, 0, t.begun - interval '40 s', t.begun - interval '9 s', t.begun,
    t.begun + (60 + n %% 3600) * interval '1 s', 0
FROM generate_series(1, %(count)s) AS n
JOIN LATERAL (
    SELECT date_trunc('milliseconds', %(now)s - interval '2 h' - n * (interval '30 days' / %(count)s)) AS begun
) t ON true
JOIN (SELECT id, token_id, row_number() OVER () - 1 AS place FROM sda_sda) s ON s.place = n %% %(sdas)s
"""
ALLOCATIONS = """
INSERT INTO scheduler_allocation (job_id, sda_id, token_id, device_id, started_at, ended_at)
SELECT j.id, j.sda_id, j.token_id, %(first)s + j.pid %% %(devices)s, j.submitted_at, j.ended_at
FROM scheduler_job j WHERE starts_with(j.request_id, %(batch)s)
"""


def fill_nodes(count: int) -> None:
    """Add nodes with devices and telemetry, spread over ten groups; every 200th has an open alert."""
    now, first = db_now(), Backend.objects.count() + 1
    groups = _groups()
    nodes = Backend.objects.bulk_create(
        Backend(
            name=f"gpu-{number:05}",
            ip=f"10.{number // 65536}.{number // 256 % 256}.{number % 256}",
            description=f"rack {number // 40 + 1}",
            group=groups[number * GROUPS // (first + count)],
            status="SHUTDOWN" if number % 50 == 49 else "ACTIVE",
            why="OPERATOR" if number % 50 == 49 else "",
            key_digest=f"{number:064}",
        )
        for number in range(first, first + count)
    )
    Bmc.objects.bulk_create(Bmc(backend=node, ip=node.ip, status="on", checked_at=now) for node in nodes)
    Agent.objects.bulk_create(
        Agent(backend=node, last_seen=now, version="0.1.0", cpu=node.pk % 100, used_memory=65_536 * (node.pk % 8),
              total_memory=524_288)
        for node in nodes
    )  # fmt: skip
    _devices(nodes, now)
    Alert.objects.bulk_create(
        Alert(
            category=Category.GPU_ERROR,
            level=Level.WARNING,
            subject_kind=SubjectKind.NODE,
            subject_id=node.pk,
            params={"content": "ECC"},
            raised_at=now,
        )
        for node in nodes[::200]
    )
    _analyze()


def _groups() -> list[BackendGroup]:
    names = [f"pool-{number:02}" for number in range(1, GROUPS)]
    for name in names:
        BackendGroup.objects.get_or_create(name=name)
    return [*BackendGroup.objects.filter(name__in=names).order_by("name"), BackendGroup.objects.get(pk=0)]


def _devices(nodes: Iterable[Backend], now: datetime) -> None:
    odd = cycle(ODD)
    rows = []
    for node in nodes:
        for index in range(DEVICES):
            status, why = ("SHUTDOWN", "OPERATOR") if node.status == "SHUTDOWN" else ("IDLE", "")
            if node.pk % 5 == 0 and index == DEVICES - 1:
                status, why = next(odd)
            rows.append((node.pk, index, "MI250" if node.pk % 3 else "A100", 65_536, status, why, "", now))
    insert_rows(Device, ("backend_id", "index", "model", "total_memory", "status", "why", "drain_to", "since"), rows)
    first = [node.pk for node in nodes]
    made = Device.objects.filter(backend__in=first).order_by("pk").values_list("pk", flat=True)
    values = ((pk, pk * 7 % 65_536, 40 + pk % 50, 45 + pk % 50, pk * 13 % 101, pk * 11 % 101, 300, now) for pk in made)
    insert_rows(Telemetry, ("device_id", *TELEMETRY, "at"), values)


def fill_tokens(count: int) -> None:
    """Add customers, each with one SDA."""
    model = SdaModel.objects.get_or_create(name="Small.64GB", defaults={"num_devices": 1})[0]
    values = [new_secret() for _ in range(count)]
    made = Token.objects.bulk_create(
        (
            Token(description=f"customer {number}", value=value, value_digest=digest(value))
            for number, value in enumerate(values, Token.objects.count() + 1)
        ),
        batch_size=2000,
    )
    Sda.objects.bulk_create((Sda(token=token, model=model, current=True) for token in made), batch_size=2000)
    _analyze()


def fill_live_jobs(waiting: int) -> None:
    """Let jobs of the tokens run on most devices that are idle, and so many more wait."""
    now = db_now()
    sdas = cycle(Sda.objects.order_by("pk").values_list("pk", "token_id")[:10_000])
    idle = Device.objects.filter(status="IDLE", backend__status="ACTIVE").order_by("backend_id", "index")
    parts = list(_parts(list(idle.values_list("pk", "index", "backend_id", "backend__group"))))
    ids = iter(reserve_ids(Job, len(parts) + waiting))
    jobs, allocations, workers = [], [], []
    for devices in parts:
        (sda, token), job = next(sdas), next(ids)
        begun = now - timedelta(minutes=job % 50)
        jobs.append(_job(job, (sda, token, devices[0][3]), len(devices), "RUNNING", begun))
        allocations += [(job, sda, token, device[0], begun, None) for device in devices]
        for node, here in groupby(devices, key=itemgetter(2)):
            workers.append((job, 1, node, [index for _pk, index, *_rest in here], "RUNNING", "", ""))
    jobs += [_job(job, (*next(sdas), 0), 1 + job % 8, "WAITING", now) for job in ids]
    insert_rows(Job, JOB, jobs)
    insert_rows(Allocation, ("job_id", "sda_id", "token_id", "device_id", "started_at", "ended_at"), allocations)
    insert_rows(Worker, ("job_id", "attempt", "backend_id", "devices", "state", "address", "error"), workers)
    held = [device[0] for devices in parts for device in devices]
    Device.objects.filter(pk__in=held).update(status="PROCESSING")
    Device.objects.filter(pk__in=held[::50]).update(drain_to="SHUTDOWN")
    _analyze()


def _parts(idle: list[tuple[int, ...]]) -> Iterator[list[tuple[int, ...]]]:
    """Return devices (number, index, node, group) job by job; a job stays inside a group."""
    place, sizes = 0, cycle(SIZES)
    while place < len(idle):
        size = next(sizes)
        chosen = idle[place : place + size]
        if len({device[3] for device in chosen}) == 1:
            yield chosen
        place += size + (size > 2) * 3  # the gap stays idle


JOB = (
    "id", "token_id", "sda_id", "group_id", "num_devices", "priority", "status", "cause", "detail", "attempt",
    "revision", "fair_rank", "preempted_by", "pending_reason", "pending_available", "pending_needed", "pid",
    "process_name", "framework", "version", "referer_protocol", "referer_ip", "request_id", "client_seen_at",
    "used_memory", "utilization", "requested_at", "submitted_at", "started_at", "ended_at", "exit_code",
)  # fmt: skip


def _job(pk: int, whose: tuple[int, int, int], devices: int, status: str, at: datetime) -> tuple[object, ...]:
    """Return a job's row; `whose` holds SDA, token and backend group."""
    sda, token, group = whose
    begun = at if status == "RUNNING" else None
    reason = "" if begun else "NOT_ENOUGH_DEVICES"
    return (
        pk, token, sda, group, devices, pk % 5, status, "", "", 1, 3, 0, 0, reason, 0, 0, 1, "train.py",
        "pytorch 2.3", "24.9", "grpc", "127.0.0.1", f"live-{pk}", at, 0, 0, at, begun, begun, None, None,
    )  # fmt: skip


def fill_history(count: int) -> None:
    """Add jobs that are over, each with the allocation of one device of the nodes that have no history yet."""
    last = Allocation.objects.filter(ended_at__isnull=False).aggregate(last=Max("device"))["last"] or 0
    devices = Device.objects.filter(pk__gt=last).aggregate(first=Min("pk"), devices=Count("pk"))
    batch = {**devices, "batch": f"history-{last}-", "now": db_now(), "count": count, "sdas": Sda.objects.count()}
    with connection.cursor() as cursor:
        cursor.execute(HISTORY, batch)
        cursor.execute(ALLOCATIONS, batch)
    _analyze()


def _analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
