"""Jobs as dictionaries for REST, in a fixed number of queries."""

import json
from collections.abc import Mapping
from typing import Any

from django.db.models import F, QuerySet

from core.api.shapes import Card, Showing
from core.api.times import iso
from scheduler.choices import HOLDING, JobStatus
from scheduler.estimates.start_estimates import Estimate, estimates
from scheduler.models import Job, Worker
from scheduler.pending_reason import faulty_among, pending_reason_text
from scheduler.queries.maintenance import maintenance_of
from scheduler.queries.queue import QueuePlace
from tokens.api.cards import token_cards
from tokens.queries import any_tokens

NOWHERE = json.dumps({"device_info": []})
FIELDS = (
    *("pk", "token_id", "sda_id", "priority", "status", "cause", "detail", "pid", "process_name", "framework"),
    *("version", "requested_at", "started_at", "ended_at", "referer_protocol", "referer_ip", "num_devices"),
    *("pending_reason", "pending_needed", "pending_available", "group_id", "submitted_at", "time_limit"),
)

PENDING = ("queuePosition", "pendingReason", "pendingCode", "estimatedStart", "estimateBasis")
STATUS, REASON, GROUP, SUBMITTED = map(FIELDS.index, ("status", "pending_reason", "group_id", "submitted_at"))


def job_cards(jobs: QuerySet[Job], showing: Showing, places: Mapping[int, QueuePlace] | None = None) -> list[Card]:
    """Return jobs as cards, in their order; `places` are those of waiting jobs.

    Six queries, or seven when tokens carry lists; one more when some hold devices, and when some wait for devices.
    """
    chosen = jobs.select_related(None)
    rows = list(chosen.values_list(*FIELDS))
    tokens = token_cards(any_tokens({row[1] for row in rows}), showing)
    devices = _device_info([row[0] for row in rows])
    waiting = [row for row in rows if row[STATUS] == JobStatus.WAITING]
    starts = estimates({row[GROUP] for row in waiting})
    faulty = faulty_among((row[GROUP], row[REASON]) for row in waiting)
    windows = maintenance_of(
        Job(pk=row[0], time_limit=row[-1], submitted_at=row[SUBMITTED]) for row in rows if row[STATUS] in HOLDING
    )
    return [
        {
            **_card(row, tokens, devices.get(row[0], NOWHERE)),
            **_pending(row, (places or {}).get(row[0], QueuePlace()), starts.get(row[0]), faulty.get(row[GROUP], 0)),
            "maintenanceFrom": iso(windows.get(row[0])),
        }
        for row in rows
    ]


def _device_info(jobs: list[int]) -> dict[int, str]:
    """Return, as JSON, the devices and nodes of the latest attempt of each job."""
    workers = Worker.objects.filter(job__in=jobs, attempt=F("job__attempt")).order_by("job_id", "backend_id")
    hosts: dict[int, list[dict[str, Any]]] = {}
    for job, host, devices in workers.values_list("job_id", "backend__name", "devices"):
        hosts.setdefault(job, []).append({"host": host, "devices": devices})
    return {job: json.dumps({"device_info": found}, ensure_ascii=False) for job, found in hosts.items()}


def _card(row: tuple[Any, ...], tokens: Mapping[int, Card], device_info: str) -> Card:
    pk, token, sda, priority, status, cause, detail, pid, process, framework, version, *rest = row
    requested_at, started_at, ended_at, protocol, ip, num_devices, *_reason, limit = rest
    return {
        "id": pk,
        "token": tokens.get(token),
        "sdaId": sda,
        "priority": priority,
        "status": status.capitalize(),
        "reason": cause,
        "detail": detail,
        "clientPid": pid,
        "processName": process,
        "framework": framework,
        "version": version,
        "requestTime": iso(requested_at),
        "startTime": iso(started_at),
        "endTime": iso(ended_at),
        "referer": {"protocol": protocol, "ipAddress": ip},
        "deviceCount": num_devices,
        "deviceInfo": device_info,
        "timeLimit": None if limit is None else int(limit.total_seconds()),
    }


def _pending(row: tuple[Any, ...], place: QueuePlace, start: Estimate | None, faulty: int) -> Card:
    """Return why a job waits and until when; nulls for a job that does not wait."""
    if row[STATUS] != JobStatus.WAITING:
        return dict.fromkeys(PENDING)
    reason, needed, available = row[REASON : REASON + 3]
    text = pending_reason_text(reason, needed, available, place.head, faulty=faulty)
    return dict(
        zip(
            PENDING,
            (place.number or None, text, reason or None, start and iso(start.at), start and start.basis),
            strict=True,
        )
    )
