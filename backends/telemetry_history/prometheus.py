"""The same values from Prometheus, which has scraped our own series."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from math import isfinite
from typing import Any

import requests
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from backends.errors import PrometheusFailed
from backends.telemetry_history.shapes import MEASURED, ChosenNode, DeviceHistory, TimeGrid, Values
from core.outage_lines import OutageLine

TIMEOUT = (2.0, 5.0)  # seconds to connect, and between two pieces of the answer
ANSWER_WITHIN = "5s"  # what Prometheus itself may need
MOST_BYTES = 32 * 1024 * 1024
SERIES: Mapping[str, tuple[str, float]] = {
    "temperature": ("moreh_device_temperature_celsius", 1.0),
    "utilization": ("moreh_device_utilization_ratio", 100.0),
    "used_memory": ("moreh_device_memory_used_bytes", 1.0 / (1024 * 1024)),
    "power": ("moreh_device_power_watts", 1.0),
}
"""By the column of telemetry: our series, and its unit in units of the column."""
VALUE = "moreh_value"  # the label that tells which column a series of the answer is
_outage = OutageLine("prometheus_failed", "prometheus_works")


def read_prometheus(nodes: Collection[ChosenNode], grid: TimeGrid, columns: Collection[str]) -> list[DeviceHistory]:
    """Return the means of some columns of the devices of some nodes, in one request. Raises PrometheusFailed."""
    try:
        found = _series(expression(nodes, grid.step, columns), grid) if nodes else []
        histories = _histories(nodes, grid, found)
    except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError) as error:
        _outage.failed(error)
        raise PrometheusFailed(_reason(error)) from error
    _outage.works()
    return histories


def expression(nodes: Collection[ChosenNode], step: int, columns: Collection[str]) -> str:
    """Return the expression that finds the means; names of nodes are text in it, never part of its syntax.

    A device has one series for each name of its group and model, so the latest of them are joined.
    """
    names = _quoted("|".join(re.escape(node.name) for node in nodes))
    indexes = {index for node in nodes for index in node.devices or ()}
    only = f",device=~{_quoted('|'.join(map(str, sorted(indexes))))}" if all(node.devices for node in nodes) else ""
    return " or ".join(
        f"label_replace(avg by (node, device) (avg_over_time({SERIES[column][0]}{{node=~{names}{only}}}[{step}s])),"
        f'"{VALUE}","{column}","","")'
        for column in columns
    )


def _quoted(text: str) -> str:
    """Return a text as a string of Prometheus's language."""
    escaped = "".join(f"\\x{ord(one):02x}" if one < " " else one for one in text.replace("\\", "\\\\"))
    return '"' + escaped.replace('"', '\\"') + '"'


def _series(query: str, grid: TimeGrid) -> list[Mapping[str, Any]]:
    asked = {"query": query, "start": grid.start + grid.step, "end": grid.end, "step": grid.step}
    asked["timeout"] = ANSWER_WITHIN
    headers = {"Authorization": f"Bearer {settings.MOREH_PROMETHEUS_KEY}"} if settings.MOREH_PROMETHEUS_KEY else {}
    address = settings.MOREH_PROMETHEUS_URL.rstrip("/") + "/api/v1/query_range"
    with requests.post(
        address, data=asked, headers=headers, timeout=TIMEOUT, allow_redirects=False, stream=True
    ) as answer:
        if answer.status_code != requests.codes.ok:
            raise requests.HTTPError(response=answer)
        body = bytearray()
        for piece in answer.iter_content(64 * 1024):
            body += piece
            if len(body) > MOST_BYTES:
                raise ValueError("too long")
    found: list[Mapping[str, Any]] = json.loads(body)["data"]["result"]
    return found


def _histories(
    nodes: Collection[ChosenNode], grid: TimeGrid, found: Collection[Mapping[str, Any]]
) -> list[DeviceHistory]:
    by_name = {node.name: node for node in nodes}
    values: dict[tuple[int, int], dict[str, Values]] = {}
    chosen: dict[tuple[int, int], ChosenNode] = {}
    for column, node, index, line in _known(by_name, found):
        chosen[node.pk, index] = node
        blank: Mapping[str, Values] = {name: [None] * len(grid.times) for name in MEASURED}
        unit = SERIES[column][1]
        points = {int(at): round(float(text) * unit, 2) for at, text in line if isfinite(float(text))}
        values.setdefault((node.pk, index), {**blank})[column] = [points.get(at) for at in grid.times]
    order = {node.pk: place for place, node in enumerate(nodes)}
    keys = sorted(values, key=lambda key: (order[key[0]], key[1]))
    return [DeviceHistory(chosen[key], key[1], values[key]) for key in keys]


def _known(
    nodes: Mapping[str, ChosenNode], found: Collection[Mapping[str, Any]]
) -> Iterator[tuple[str, ChosenNode, int, Any]]:
    """Yield column, node, index and points of the series that were asked for."""
    for one in found:
        labels = one["metric"]
        node, index = nodes[labels["node"]], int(labels["device"])
        if node.has(index):
            yield labels[VALUE], node, index, one["values"]


def _reason(error: Exception) -> Any:
    """Return what happened, in words; the text of an error may hold an address."""
    if isinstance(error, requests.Timeout):
        return _("Prometheus did not answer in time.")
    if isinstance(error, requests.HTTPError):
        return _("Prometheus refused the query (HTTP %(status)s).") % {"status": error.response.status_code}
    if isinstance(error, requests.ConnectionError):
        return _("Prometheus cannot be reached.")
    return _("The answer of Prometheus cannot be read.")
