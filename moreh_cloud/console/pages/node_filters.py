"""The filters of the pages that show nodes: read from the address, drawn as a bar of fields, written into links."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from moreh_cloud.console.queries.node_choice import FILTERS, choices, device_models
from moreh_cloud.lib.errors import Message

LABELS: Mapping[str, Message] = {
    "q": _("Text"),
    "group__id__exact": _("Group"),
    "status__exact": _("Status"),
    "device": _("Devices"),
    "model": _("Model"),
    "bmc__status__exact": _("Power"),
    "token": _("Customer"),
}
HINTS: Mapping[str, Message] = {"q": _("Name or address"), "token": _("Customer or number")}


@dataclass(frozen=True, slots=True)
class Field:
    """One filter as the page shows it; a field for text where there are no options to be had."""

    name: str
    label: Message
    value: str
    hint: Message
    options: Sequence[tuple[str, Message]] | None


def wanted_by(request: HttpRequest) -> dict[str, str]:
    """Give the filters that an address sets."""
    return {name: value for name in FILTERS if (value := request.GET.get(name, "").strip())}


def filter_fields(wanted: Mapping[str, str], models: Sequence[str] | None = None) -> list[Field]:
    """Give the fields of the bar, in one query, and one more where the models to choose from are not known."""
    options = choices(device_models() if models is None else models)
    return [
        Field(name, label, wanted.get(name, ""), HINTS.get(name, ""), options.get(name))
        for name, label in LABELS.items()
    ]


def query_of(wanted: Mapping[str, str], **others: object) -> str:
    """Write filters, and what else is given, behind the question mark of an address."""
    given = {name: str(value) for name, value in {**wanted, **others}.items() if value not in ("", None)}
    return f"?{urlencode(given)}" if given else ""
