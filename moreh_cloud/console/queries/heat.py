"""The heat map's figures: columns of numbers and names, no objects, so that 10,000 nodes are a few short lists."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Count, Min, QuerySet

from backends.choices import BackendStatus
from backends.models import Backend, BackendGroup, Device
from moreh_cloud.alerts.choices import Category, Level
from moreh_cloud.alerts.models import OPEN, Alert
from moreh_cloud.console.queries.states import MEANINGS
from moreh_cloud.lib.clock import to_ms
from scheduler.models import Allocation
from scheduler.queries import OPEN as HELD_NOW
from tokens.models import Token

Columns = Mapping[str, list[Any]]
NO_DEVICES = (0,) * len(MEANINGS)


def heat_nodes(nodes: QuerySet[Backend]) -> dict[str, Any]:
    """Give some nodes, by group and name, as columns, with their devices by meaning and open alerts, in four queries.

    `states` holds one number per node and meaning, in the order of MEANINGS.
    """
    shown = list(nodes.order_by("group__index", "group", "name").values_list("pk", "name", "group", "status"))
    states = device_states(nodes)
    pks, names, groups, statuses = map(list, zip(*shown, strict=True)) if shown else ([], [], [], [])
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
    """Count the devices of some nodes by what their states mean, in the order of MEANINGS."""
    counts = {name: Count("pk", filter=meaning.devices) for name, meaning in MEANINGS.items()}
    rows = Device.objects.filter(backend__in=nodes.values("pk")).order_by().values_list("backend_id")
    return {pk: tuple(numbers) for pk, *numbers in rows.annotate(**counts)}


def alerts(pks: set[int]) -> list[tuple[int, str, str, str]]:
    """Give node, level, category and content of the open alerts of nodes, the worst first."""
    rows = Alert.objects.filter(OPEN, subject__startswith="backend/").order_by("pk")
    order = {level: place for place, level in enumerate(reversed(Level))}
    found = [
        (int(subject.removeprefix("backend/")), level, str(Category(category).label), content[:200])
        for subject, level, category, content in rows.values_list("subject", "level", "category", "content")
    ]
    return sorted((row for row in found if row[0] in pks), key=lambda row: order[Level(row[1])])


def heat_holders(nodes: QuerySet[Backend]) -> dict[str, Any]:
    """Give who holds devices of some nodes: rows of node, job (0: a reservation), SDA, token, since and devices.

    Two queries; `since` is in ms since 1970, `owners` holds the tokens' descriptions.
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
