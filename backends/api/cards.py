"""Backends, devices and backend groups as plain dictionaries, in a fixed number of queries whatever their number."""

from typing import Any

from django.db.models import QuerySet

from backends.choices import PowerStatus
from backends.group_rules import GROUP_RULES
from backends.models import Backend, BackendGroup, BackendGroupFieldValue, Device, NodeFieldValue
from backends.power.drivers import DEFAULT_DRIVER
from core.api.shapes import Card, Showing, plain
from core.api.times import iso
from inventory.queries import values_by_object
from scheduler.queries.holders import HolderFields, holders_of
from sda.queries import tokens_of_backend_groups
from tokens.api.cards import list_tokens

IPMI = {PowerStatus.ON: 1, PowerStatus.OFF: 0, PowerStatus.UNKNOWN: -1, "": None, None: None}
GROUP = ("group_id", "group__name", "group__description", "group__index", "group__combine")
NODE = (
    *("pk", "type", "ip", "port", "name", "description", "status", "why", "agent__last_seen", "agent__version"),
    *("rack", "unit", "serial"),
)
BMC = ("bmc__ip", "bmc__driver", "bmc__status", "bmc__target", "bmc__checked_at")
DEVICE = ("pk", "index", "backend_id", "backend__name", "status", "why", "drain_to", "model", "total_memory")
HEALTH = ("verdict", "verdict_at", "checked_at")
CARD = {
    "uuid": "card__uuid",
    "serial": "card__serial",
    "pciAddress": "card__pci_address",
    "driverVersion": "card__driver_version",
    "firmwareVersion": "card__firmware_version",
}
TELEMETRY = tuple(
    f"telemetry__{name}"
    for name in ("used_memory", "temperature", "memory_temperature", "utilization", "memory_utilization", "power", "at")
)


def backend_cards(backends: QuerySet[Backend], showing: Showing) -> list[Card]:
    """Return backends with their devices, holders and inventory, in six queries; with lists of tokens in more."""
    chosen = plain(backends)
    cards, groups = bare_cards(chosen)
    for card in device_cards(Device.objects.filter(backend__in=chosen.values("pk")), showing):
        if backend := cards.get(int(card["backendId"])):
            backend["devices"].append(card)
    if showing.tokenlists:
        list_members(groups, showing)
    return list(cards.values())


def put_inventory(cards: dict[int, Card], backends: QuerySet[Backend]) -> None:
    """Set the tags and the custom fields of backends, in two queries."""
    tagged = Backend.tags.through._default_manager.filter(backend__in=backends.values("pk")).order_by("tag__key")
    for backend, tag in tagged.values_list("backend_id", "tag__name"):
        if card := cards.get(backend):
            card["tags"].append(tag)
    for backend, values in values_by_object(NodeFieldValue, backends.values("pk")).items():
        if card := cards.get(backend):
            card["customFields"] = values


def bare_cards(backends: QuerySet[Backend]) -> tuple[dict[int, Card], dict[int, Card]]:
    """Return backends without devices, and their groups, both by id, in three queries."""
    groups: dict[int, Card] = {}
    cards = {}
    for row in plain(backends).values_list(*NODE, *BMC, *GROUP):
        node, bmc, group = row[: len(NODE)], row[len(NODE) : -len(GROUP)], row[-len(GROUP) :]
        cards[row[0]] = _node_card(node) | {
            "group": groups.setdefault(group[0], group_card(*group)),
            "ipmi": _ipmi_card(*bmc),
        }
    put_inventory(cards, plain(backends))
    return cards, groups


def _node_card(row: tuple[Any, ...]) -> Card:
    pk, type_, ip, port, name, description, status, why, last_seen, version, rack, unit, serial = row
    return {
        "id": pk,
        "type": type_,
        "ip": ip,
        "port": str(port),
        "name": name,
        "description": description,
        "status": status,
        "reason": why,
        "lastSeen": iso(last_seen),
        "agentVersion": version or "",
        "devices": [],
        "rack": rack,
        "unit": unit,
        "serial": serial,
        "tags": [],
        "customFields": {},
    }


def _ipmi_card(ip: str | None, driver: str | None, status: str | None, target: str | None, checked_at: Any) -> Card:
    return {
        "ip": ip or "",
        "driver": driver or DEFAULT_DRIVER,
        "status": IPMI[status or PowerStatus.UNKNOWN],
        "target": IPMI[target],
        "checkedAt": iso(checked_at),
    }


def device_cards(devices: QuerySet[Device], showing: Showing) -> list[Card]:
    """Return devices in order, with their holders, in three queries."""
    held = holders_of(devices)
    rows = devices.order_by("backend_id", "index").values_list(*DEVICE, *HEALTH, *CARD.values(), *TELEMETRY)
    nobody: HolderFields = (None, 0, "", "")
    return [_device_card(row, held.get(row[0], nobody), showing) for row in rows]


def _device_card(row: tuple[Any, ...], holder: HolderFields, showing: Showing) -> Card:
    pk, index, backend_id, backend, status, why, drain_to, model, total_memory = row[: len(DEVICE)]
    verdict, verdict_at, checked_at, *rest = row[len(DEVICE) :]
    identity, telemetry = rest[: len(CARD)], rest[len(CARD) :]
    used, temperature, memory_temperature, utilization, memory_utilization, power, measured_at = telemetry
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
        "measuredAt": iso(measured_at),
        "verdict": verdict,
        "verdictAt": iso(verdict_at),
        "checkedAt": iso(checked_at),
        **{name: value or "" for name, value in zip(CARD, identity, strict=True)},
        "jobId": job,
        "sdaId": sda or None,
        "token": showing.secret(value) if value else None,
        "processName": process if sda else None,
    }


def group_card(pk: int, name: str, description: str, index: int, combine: bool) -> Card:
    """Return a backend group as it is nested in another object."""
    return {"id": pk, "name": name, "description": description, "index": index, "combine": combine}


def group_cards(groups: QuerySet[BackendGroup], showing: Showing) -> list[Card]:
    """Return backend groups with their backends and the tokens that may use them, in seven queries."""
    rows = groups.values_list("pk", "name", "description", "index", "combine", *GROUP_RULES.values())
    cards = {
        row[0]: {**group_card(*row[:5]), **dict(zip(GROUP_RULES, row[5:], strict=True)), "backends": []} for row in rows
    }
    inside = Backend.objects.live().filter(group__in=cards).order_by("pk")
    for group, pk, name in inside.values_list("group_id", "pk", "name"):
        cards[group]["backends"].append({"id": pk, "name": name})
    values = values_by_object(BackendGroupFieldValue, list(cards))
    for pk, card in cards.items():
        card["customFields"] = values.get(pk, {})
    list_members(cards, showing)
    return list(cards.values())


def list_members(groups: dict[int, Card], showing: Showing) -> None:
    """Set the `tokenlist` of backend groups by the memberships, in four queries."""
    for group in groups.values():
        group["tokenlist"] = []
    list_tokens(groups, tokens_of_backend_groups(groups), showing)
