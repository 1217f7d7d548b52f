"""Which nodes an address means: the node grid, the heat map and the list of nodes read the same filters alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import hexdigits
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from backends.choices import BackendStatus, PowerStatus
from backends.models import Backend, BackendGroup, Device
from backends.queries import live_backend_groups
from moreh_cloud.console.queries.states import MEANINGS, meaning_of
from moreh_cloud.lib.errors import Message
from scheduler.models import Allocation
from scheduler.queries import OPEN

Nodes = QuerySet[Any]
OF_ADDRESS = frozenset(f"{hexdigits}.:")
LONGEST_NUMBER = 18  # digits; no row has more


def with_words(nodes: Nodes, text: str) -> Nodes:
    """Keep nodes that have every word of a text in their name, their description or one of their addresses."""
    for word in text.split():
        found = Q(name__icontains=word) | Q(description__icontains=word)
        if is_of_address(word):
            found |= Q(ip__icontains=word) | Q(bmc__ip__icontains=word)
        nodes = nodes.filter(found)
    return nodes


def is_of_address(word: str) -> bool:
    """Tell whether a word can be a part of an address, of which to look into 10,000 takes longer than into names."""
    return set(word) <= OF_ADDRESS


def with_devices(nodes: Nodes, meaning: str) -> Nodes:
    """Keep nodes with a device whose state means this."""
    return nodes.filter(_a_device(MEANINGS[meaning].devices)) if meaning in MEANINGS else nodes.none()


def of_model(nodes: Nodes, model: str) -> Nodes:
    """Keep nodes with a device of this model."""
    return nodes.filter(_a_device(Q(model=model)))


def used_by(nodes: Nodes, token: str) -> Nodes:
    """Keep nodes with a device that a token holds now, given by its number or by a part of its description."""
    theirs = Q(token__id=int(token)) if _is_number(token) else Q(token__description__icontains=token)
    return nodes.filter(Exists(Allocation.objects.filter(OPEN, theirs, device__backend=OuterRef("pk"))))


def in_group(nodes: Nodes, group: str) -> Nodes:
    """Keep nodes of a backend group."""
    return nodes.filter(group=int(group)) if _is_number(group) else nodes.none()


FILTERS: Mapping[str, Callable[[Nodes, str], Nodes]] = {
    "q": with_words,
    "status__exact": lambda nodes, status: nodes.filter(status=status),
    "group__id__exact": in_group,
    "bmc__status__exact": lambda nodes, status: nodes.filter(bmc__status=status),
    "device": with_devices,
    "model": of_model,
    "token": used_by,
}
"""By their names in the address, which are those of the list of nodes in the admin."""


def chosen_nodes(wanted: Mapping[str, str]) -> QuerySet[Backend]:
    """Give the live nodes that all filters of an address let through; an impossible value lets none."""
    nodes: QuerySet[Backend] = Backend.objects.live()
    for name, value in wanted.items():
        nodes = narrowed(nodes, name, value)
    return nodes


def narrowed(nodes: Nodes, name: str, value: str) -> Nodes:
    """Apply one filter; no column can hold the character 0."""
    return nodes.none() if "\0" in value else FILTERS[name](nodes, value)


@dataclass(frozen=True, slots=True)
class Found:
    """How many nodes are meant, how many devices of each meaning they have, and of which models."""

    nodes: int
    devices: Mapping[str, int]
    models: Sequence[str]


def count_found(nodes: QuerySet[Backend]) -> Found:
    """Count what an address means, in two queries."""
    theirs = Device.objects.filter(backend__in=nodes.values("pk")).order_by()
    rows = list(theirs.values_list("model", "status", "drain_to").annotate(number=Count("pk")))
    devices = dict.fromkeys(MEANINGS, 0)
    for _model, status, drain_to, number in rows:
        devices[meaning_of(status, drain_to)] += number
    return Found(nodes.count(), devices, sorted({model for model, *_rest in rows} - {""}))


def choices(models: Sequence[str]) -> dict[str, list[tuple[str, Message]]]:
    """Give what can be chosen in each filter that has a list, in one query."""
    groups: QuerySet[BackendGroup] = live_backend_groups()
    return {
        "status__exact": [(status.value, status.label) for status in BackendStatus],
        "device": [(name, meaning.word) for name, meaning in MEANINGS.items()],
        "model": [(model, model) for model in models],
        "group__id__exact": [(str(pk), name) for pk, name in groups.values_list("pk", "name")],
        "bmc__status__exact": [(status.value, status.label) for status in PowerStatus],
    }


def device_models() -> list[str]:
    """Give the models of all devices; which nodes were deleted would cost as much again to find out."""
    return sorted(set(Device.objects.order_by().values_list("model", flat=True).distinct()) - {""})


def _a_device(like: Q) -> Exists:
    return Exists(Device.objects.filter(like, backend=OuterRef("pk")))


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= LONGEST_NUMBER
