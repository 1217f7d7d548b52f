"""The filters of the node grid and the heat map: their parameters, their fields, and links that contain them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from backends.queries.devices import device_models
from core.errors import Message
from scheduler.queries.node_choice import FILTERS, choices

LABELS: Mapping[str, Message] = {
    "q": _("Text"),
    "group__id__exact": _("Group"),
    "status__exact": _("Status"),
    "device": _("Devices"),
    "health": _("Health"),
    "model": _("Model"),
    "bmc__status__exact": _("Power"),
    "token": _("Customer"),
    "rack": _("Rack"),
    "tag": _("Tag"),
    "serial": _("Serial number"),
    "cf": _("Custom field"),
}
HINTS: Mapping[str, Message] = {
    "q": _("Name or address"),
    "token": _("Customer or number"),
    "rack": _("Rack"),
    "tag": _("Tag"),
    "serial": _("Serial number"),
    "cf": _("Field=value"),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One filter as a field; without `options` it is a field for text."""

    name: str
    label: Message
    value: str
    hint: Message
    options: Sequence[tuple[str, Message]] | None


def wanted_by(request: HttpRequest) -> dict[str, str]:
    """Return the filters that the query string sets."""
    return {name: value for name in FILTERS if (value := request.GET.get(name, "").strip())}


def filter_fields(wanted: Mapping[str, str], models: Sequence[str] | None = None) -> list[Field]:
    """Return the fields of the filters, in one query; without `models` a second query reads them.

    A value that filters is among the options, also where it is none of those that exist.
    """
    options = choices(device_models() if models is None else models)
    for name in options.keys() & wanted.keys():
        if wanted[name] not in dict(options[name]):
            options[name].append((wanted[name], wanted[name]))
    return [
        Field(name, label, wanted.get(name, ""), HINTS.get(name, ""), options.get(name))
        for name, label in LABELS.items()
    ]


def query_of(wanted: Mapping[str, str], **others: object) -> str:
    """Return filters and other parameters as a query string with its question mark."""
    given = {name: str(value) for name, value in {**wanted, **others}.items() if value not in ("", None)}
    return f"?{urlencode(given)}" if given else ""
