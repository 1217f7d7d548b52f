"""Backends, devices and backend groups as plain dictionaries, in a fixed number of queries whatever their number."""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from backends.choices import PowerStatus
from backends.models import Backend, BackendGroup, Device
from moreh_cloud.lib.api.shapes import Showing
from moreh_cloud.lib.api.times import iso
from scheduler.choices import HOLDING
from scheduler.models import Allocation, Job
from scheduler.queries import OPEN
from sda.models import Membership
from tokens.api.cards import Card, list_tokens

IPMI = {PowerStatus.ON: 1, PowerStatus.OFF: 0, PowerStatus.UNKNOWN: -1, "": None, None: None}
GROUP = ("group_id", "group__name", "group__description", "group__index", "group__combine")
RULES = {
    "policy": "policy",
    "guardSeconds": "guard_s",
    "preempt": "preempt",
    "minRunSeconds": "min_run_s",
    "noticeSeconds": "notice_s",
    "draining": "draining",
}
NODE = ("pk", "type", "ip", "port", "name", "description", "status", "why", "agent__last_seen", "agent__version")
BMC = ("bmc__ip", "bmc__status", "bmc__target", "bmc__checked_at")
DEVICE = ("pk", "index", "backend_id", "backend__name", "status", "why", "drain_to", "model", "total_memory")
TELEMETRY = tuple(
    f"telemetry__{name}"
    for name in ("used_memory", "temperature", "memory_temperature", "utilization", "memory_utilization", "power")
)
Holder = tuple[int | None, int, str, str]


def backend_cards(backends: QuerySet[Backend], showing: Showing) -> list[Card]:
    """Shape backends with their devices and who holds them: four queries, or more with lists of tokens."""
    chosen = plain(backends)
    cards, groups = bare_cards(chosen)
    for card in device_cards(Device.objects.filter(backend__in=chosen.values("pk")), showing):
        if backend := cards.get(int(card["backendId"])):
            backend["devices"].append(card)
    if showing.tokenlists:
        list_members(groups, showing)
    return list(cards.values())


def bare_cards(backends: QuerySet[Backend]) -> tuple[dict[int, Card], dict[int, Card]]:
    """Shape backends, still without devices, and their groups, both by id: one query."""
    groups: dict[int, Card] = {}
    cards = {}
    for row in plain(backends).values_list(*NODE, *BMC, *GROUP):
        node, bmc, group = row[: len(NODE)], row[len(NODE) : -len(GROUP)], row[-len(GROUP) :]
        cards[row[0]] = _node_card(node) | {
            "group": groups.setdefault(group[0], group_card(*group)),
            "ipmi": _ipmi_card(*bmc),
        }
    return cards, groups


def plain(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Give the same rows without what only model objects need."""
    return rows.prefetch_related(None).select_related(None)


def _node_card(row: tuple[Any, ...]) -> Card:
    pk, type_, ip, port, name, description, status, why, seen, version = row
    return {
        "id": pk,
        "type": type_,
        "ip": ip,
        "port": str(port),
        "name": name,
        "description": description,
        "status": status,
        "reason": why,
        "lastSeen": iso(seen),
        "agentVersion": version or "",
        "devices": [],
    }


def _ipmi_card(ip: str | None, status: str | None, target: str | None, checked_at: Any) -> Card:
    return {
        "ip": ip or "",
        "status": IPMI[status or PowerStatus.UNKNOWN],
        "target": IPMI[target],
        "checkedAt": iso(checked_at),
    }


def device_cards(devices: QuerySet[Device], showing: Showing) -> list[Card]:
    """Shape devices in order, with who holds them now: three queries."""
    held = holders(devices)
    rows = devices.order_by("backend_id", "index").values_list(*DEVICE, *TELEMETRY)
    nobody: Holder = (None, 0, "", "")
    return [_device_card(row, held.get(row[0], nobody), showing) for row in rows]


def holders(devices: QuerySet[Device]) -> dict[int, Holder]:
    """Give job, SDA, token's value and process of the devices that are held, by device: two queries."""
    reserved = Job.objects.filter(status__in=HOLDING, sda__reserved=True)
    running = {sda: (job, name) for sda, job, name in reserved.values_list("sda_id", "pk", "process_name")}
    held = Allocation.objects.filter(OPEN, device__in=devices.values("pk"))
    found = {}
    for device, job, sda, value, name in held.values_list(
        "device_id", "job_id", "sda_id", "token__value", "job__process_name"
    ):
        mine = (job, name) if job else running.get(sda, (None, ""))
        found[device] = (mine[0], sda, value, mine[1])
    return found


def _device_card(row: tuple[Any, ...], holder: Holder, showing: Showing) -> Card:
    pk, index, backend_id, backend, status, why, drain_to, model, total_memory, *telemetry = row
    used, temperature, memory_temperature, utilization, memory_utilization, power = telemetry
    job, sda, value, process = holder
    return {
        "id": pk,
        "index": index,
        "name": f"{backend}/{index:02}",
        "backendId": str(backend_id),
        "status": status,
        "reason": why,
        "drainTo": drain_to,
        "model": model,
        "totalMemory": total_memory,
        "usedMemory": used,
        "temperature": temperature,
        "memoryTemperature": memory_temperature,
        "utilization": utilization,
        "memoryUtilization": memory_utilization,
        "power": power,
        "jobId": job,
        "sdaId": sda or None,
        "token": showing.secret(value) if value else None,
        "processName": process if sda else None,
    }


def group_card(pk: int, name: str, description: str, index: int, combine: bool) -> Card:
    """Shape a backend group inside another object."""
    return {"id": pk, "name": name, "description": description, "index": index, "combine": combine}


def group_cards(groups: QuerySet[BackendGroup], showing: Showing) -> list[Card]:
    """Shape backend groups with their backends and the tokens that may use them: six queries."""
    rows = groups.values_list("pk", "name", "description", "index", "combine", *RULES.values())
    cards = {row[0]: {**group_card(*row[:5]), **dict(zip(RULES, row[5:], strict=True)), "backends": []} for row in rows}
    inside = Backend.objects.live().filter(group__in=cards).order_by("pk")
    for group, pk, name in inside.values_list("group_id", "pk", "name"):
        cards[group]["backends"].append({"id": pk, "name": name})
    list_members(cards, showing)
    return list(cards.values())


def list_members(groups: dict[int, Card], showing: Showing) -> None:
    """List in backend groups the tokens that memberships give them: four queries."""
    for group in groups.values():
        group["tokenlist"] = []
    list_tokens(groups, _entitled(groups), showing)


def _entitled(groups: Iterable[int]) -> list[tuple[int, int]]:
    ways = Membership.objects.filter(
        model_group__backend_group__in=list(groups),
        model_group__deleted_at__isnull=True,
        token_group__deleted_at__isnull=True,
        token_group__tokens__deleted_at__isnull=True,
        token_group__tokens__isnull=False,
    )
    return list(ways.values_list("model_group__backend_group", "token_group__tokens").distinct())
