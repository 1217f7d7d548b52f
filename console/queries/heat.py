"""Queries of the heat map. They return columns, not objects, so that 10,000 nodes are a few lists."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Count, Min, QuerySet

from alerts.choices import SEVERITY, Category, Level, SubjectKind
from alerts.models import OPEN, Alert
from alerts.params import render
from backends.choices import BackendStatus
from backends.models import Backend, BackendGroup, Device
from backends.queries.device_states import MEANINGS
from core.clock import to_ms
from scheduler.models import Allocation
from scheduler.queries.allocations import OPEN as HELD_NOW
from tokens.models import Token

Columns = Mapping[str, list[Any]]
NO_DEVICES = (0,) * len(MEANINGS)


def heat_nodes(nodes: QuerySet[Backend]) -> dict[str, Any]:
    """Return some nodes as columns, with their devices by state and their open alerts, in four queries.

    The nodes are sorted by group and name. `states` has one number per node and state, in the order of MEANINGS.
    """
    rows = list(nodes.order_by("group__index", "group", "name").values_list("pk", "name", "group", "status"))
    states = device_states(nodes)
    pks, names, groups, statuses = map(list, zip(*rows, strict=True)) if rows else ([], [], [], [])
    return {
        "id": pks,
        "name": names,
        "group": groups,
        "off": [int(status != BackendStatus.ACTIVE) for status in statuses],
        "states": [number for pk in pks for number in states.get(pk, NO_DEVICES)],
        "groups": dict(BackendGroup.objects.filter(pk__in=set(groups)).values_list("pk", "name")),
        "alerts": alerts(set(pks)),
    }


def device_states(nodes: QuerySet[Backend]) -> dict[int, tuple[int, ...]]:
    """Return the numbers of devices of some nodes by state, in the order of MEANINGS."""
    counts = {name: Count("pk", filter=meaning.devices) for name, meaning in MEANINGS.items()}
    rows = Device.objects.filter(backend__in=nodes.values("pk")).order_by().values_list("backend_id")
    return {pk: tuple(numbers) for pk, *numbers in rows.annotate(**counts)}


def alerts(pks: set[int]) -> list[tuple[int, str, str, str]]:
    """Return node, level, category and text of the open alerts of nodes, the most urgent first."""
    rows = Alert.objects.filter(OPEN, subject_kind=SubjectKind.NODE).order_by("pk")
    found = [
        (pk, level, str(Category(category).label), render(code, params)[:200])
        for pk, level, category, code, params in rows.values_list("subject_id", "level", "category", "code", "params")
        if pk in pks
    ]
    return sorted(found, key=lambda row: -SEVERITY[Level(row[1])])


def heat_holders(nodes: QuerySet[Backend]) -> dict[str, Any]:
    """Return who holds devices of some nodes, in two queries.

    A row of `held` is node, job (0 for a reservation), SDA, token, start in ms since 1970, and number of devices.
    `owners` has the descriptions of the tokens.
    """
    held = Allocation.objects.filter(HELD_NOW, device__backend__in=nodes.values("pk")).order_by()
    rows = list(
        held.values_list("device__backend_id", "job_id", "sda_id", "token_id").annotate(
            since=Min("started_at"), devices=Count("pk")
        )
    )
    owners = Token.objects.filter(pk__in=held.values("token_id")).values_list("pk", "description")
    return {
        "held": [(node, job or 0, sda, token, to_ms(since), n) for node, job, sda, token, since, n in rows],
        "owners": dict(owners),
    }
