"""Filters of nodes in a page's query string; the node grid, the heat map and the list of nodes share them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import hexdigits
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from backends.choices import BackendStatus, PowerStatus, Verdict
from backends.models import Backend, BackendGroup, Device, NodeFieldValue
from backends.queries import live_backend_groups
from backends.queries.device_states import MEANINGS, meaning_of
from core.errors import DomainError, Message
from core.numbers import whole
from inventory.queries import tag_key, with_values
from scheduler.models import Allocation
from scheduler.queries.allocations import OPEN

Nodes = QuerySet[Any]
OF_ADDRESS = frozenset(f"{hexdigits}.:")


def with_words(nodes: Nodes, text: str) -> Nodes:
    """Return the nodes that have every word of a text in their name, description, serial number or an address."""
    for word in text.split():
        found = Q(name__icontains=word) | Q(description__icontains=word) | Q(serial__icontains=word)
        if is_of_address(word):
            found |= Q(ip__icontains=word) | Q(bmc__ip__icontains=word)
        nodes = nodes.filter(found)
    return nodes


def is_of_address(word: str) -> bool:
    """Whether a word can be part of an address; a search in 10,000 addresses takes longer than in names."""
    return set(word) <= OF_ADDRESS


def with_devices(nodes: Nodes, meaning: str) -> Nodes:
    """Return the nodes with a device whose state has this meaning."""
    return nodes.filter(_a_device(MEANINGS[meaning].devices)) if meaning in MEANINGS else nodes.none()


def with_health(nodes: Nodes, verdict: str) -> Nodes:
    """Return the nodes with a device of this verdict."""
    return nodes.filter(_a_device(Q(verdict=verdict)))


def of_model(nodes: Nodes, model: str) -> Nodes:
    """Return the nodes with a device of this model."""
    return nodes.filter(_a_device(Q(model=model)))


def used_by(nodes: Nodes, token: str) -> Nodes:
    """Return the nodes with a device that a token holds now; `token` is its id or a part of its description."""
    theirs = Q(token__id=number) if (number := whole(token, 0)) is not None else Q(token__description__icontains=token)
    return nodes.filter(Exists(Allocation.objects.filter(OPEN, theirs, device__backend=OuterRef("pk"))))


def in_group(nodes: Nodes, group: str) -> Nodes:
    """Return the nodes of a backend group."""
    return nodes.none() if (number := whole(group, 0)) is None else nodes.filter(group=number)


def with_tag(nodes: Nodes, tag: str) -> Nodes:
    """Return the nodes with a tag, whatever the case of its name."""
    tagged = Backend.tags.through._default_manager.filter(tag__key=tag_key(tag))
    return nodes.filter(pk__in=tagged.values("backend"))


def with_field(nodes: Nodes, text: str) -> Nodes:
    """Return the nodes whose custom field has a value; `text` is name=value, and name= finds those without a value."""
    name, _equals, value = text.partition("=")
    try:
        return with_values(nodes, NodeFieldValue, {f"cf_{name.strip().removeprefix('cf_')}": value.strip()})
    except DomainError:
        return nodes.none()


FILTERS: Mapping[str, Callable[[Nodes, str], Nodes]] = {
    "q": with_words,
    "status__exact": lambda nodes, status: nodes.filter(status=status),
    "group__id__exact": in_group,
    "bmc__status__exact": lambda nodes, status: nodes.filter(bmc__status=status),
    "device": with_devices,
    "health": with_health,
    "model": of_model,
    "token": used_by,
    "rack": lambda nodes, rack: nodes.filter(rack=rack.strip()),
    "tag": with_tag,
    "serial": lambda nodes, serial: nodes.filter(serial__icontains=serial.strip()),
    "cf": with_field,
}
"""By parameter; the list of nodes in the admin uses the same names."""


def chosen_nodes(params: Mapping[str, str]) -> QuerySet[Backend]:
    """Return the live nodes that pass all filters; an impossible value returns none."""
    nodes: QuerySet[Backend] = Backend.objects.live()
    for name, value in params.items():
        nodes = narrowed(nodes, name, value)
    return nodes


def narrowed(nodes: Nodes, name: str, value: str) -> Nodes:
    """Return the nodes that pass one filter; no column can hold the character 0."""
    return nodes.none() if "\0" in value else FILTERS[name](nodes, value)


@dataclass(frozen=True, slots=True)
class NodeCounts:
    """The number of chosen nodes, their devices by meaning, and the models of these devices."""

    nodes: int
    devices: Mapping[str, int]
    models: Sequence[str]


def count_found(nodes: QuerySet[Backend]) -> NodeCounts:
    """Return the counts of some nodes, in two queries."""
    theirs = Device.objects.filter(backend__in=nodes.values("pk")).order_by()
    rows = list(theirs.values_list("model", "status", "drain_to").annotate(number=Count("pk")))
    devices = dict.fromkeys(MEANINGS, 0)
    for _model, status, drain_to, number in rows:
        devices[meaning_of(status, drain_to)] += number
    return NodeCounts(nodes.count(), devices, sorted({model for model, *_rest in rows} - {""}))


def choices(models: Sequence[str]) -> dict[str, list[tuple[str, Message]]]:
    """Return the choices of each filter that has a list, in one query."""
    groups: QuerySet[BackendGroup] = live_backend_groups()
    return {
        "status__exact": [(status.value, status.label) for status in BackendStatus],
        "device": [(name, meaning.word) for name, meaning in MEANINGS.items()],
        "health": [(verdict.value, verdict.label) for verdict in (Verdict.SUSPECT, Verdict.FAILED)],
        "model": [(model, model) for model in models],
        "group__id__exact": [(str(pk), name) for pk, name in groups.values_list("pk", "name")],
        "bmc__status__exact": [(status.value, status.label) for status in PowerStatus],
    }


def _a_device(like: Q) -> Exists:
    return Exists(Device.objects.filter(like, backend=OuterRef("pk")))
