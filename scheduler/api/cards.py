"""Jobs as plain dictionaries, in a fixed number of queries whatever their number."""

import json
from collections.abc import Mapping
from typing import Any

from django.db.models import F, QuerySet

from moreh_cloud.lib.api.shapes import Showing
from moreh_cloud.lib.api.times import iso
from scheduler.choices import JobStatus
from scheduler.models import Job, Worker
from scheduler.queries import Place
from scheduler.why import in_words
from tokens.api.cards import Card, token_cards
from tokens.models import Token

NOWHERE = json.dumps({"device_info": []})
FIELDS = (
    *("pk", "token_id", "sda_id", "priority", "status", "cause", "detail", "pid", "process_name", "framework"),
    *("version", "requested_at", "started_at", "ended_at", "referer_protocol", "referer_ip", "num_devices"),
    *("pending_reason", "pending_needed", "pending_available"),
)


def job_cards(jobs: QuerySet[Job], showing: Showing, places: Mapping[int, Place] | None = None) -> list[Card]:
    """Shape jobs in order; `places` are those of the waiting ones. Six queries, or seven with lists of tokens."""
    chosen = jobs.select_related(None)
    rows = list(chosen.values_list(*FIELDS))
    tokens = token_cards(Token.objects.filter(pk__in={row[1] for row in rows}), showing)
    devices = _device_info([row[0] for row in rows])
    return [_card(row, tokens, devices.get(row[0], NOWHERE), (places or {}).get(row[0], Place())) for row in rows]


def _device_info(jobs: list[int]) -> dict[int, str]:
    """Write, as JSON, on which devices of which nodes the latest attempt of each job is or was."""
    workers = Worker.objects.filter(job__in=jobs, attempt=F("job__attempt")).order_by("job_id", "backend_id")
    hosts: dict[int, list[dict[str, Any]]] = {}
    for job, host, devices in workers.values_list("job_id", "backend__name", "devices"):
        hosts.setdefault(job, []).append({"host": host, "devices": devices})
    return {job: json.dumps({"device_info": found}, ensure_ascii=False) for job, found in hosts.items()}


def _card(row: tuple[Any, ...], tokens: Mapping[int, Card], device_info: str, place: Place) -> Card:
    pk, token, sda, priority, status, cause, detail, pid, process, framework, version, *rest = row
    requested_at, started_at, ended_at, protocol, ip, num_devices, reason, needed, available = rest
    waits = status == JobStatus.WAITING
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
        "queuePosition": (place.number or None) if waits else None,
        "pendingReason": in_words(reason, needed, available, place.head) if waits else None,
        "pendingCode": (reason or None) if waits else None,
        "estimatedStart": None,  # unknown: a job says nothing of how long it will run
    }
