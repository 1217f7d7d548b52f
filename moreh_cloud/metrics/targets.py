"""What else runs on the nodes and tells metrics, for the HTTP service discovery of Prometheus."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from backends.models import Backend

Target = Mapping[str, Any]
"""An entry of the format http_sd: `targets`, each as host:port, and their `labels`."""


def targets(exporter: str | None = None) -> list[Target]:
    """Return the exporters of all nodes, or one kind of exporter, with the labels of our own metrics; one query."""
    ports: Mapping[str, int] = settings.MOREH_METRICS_EXPORTERS
    wanted = {name: port for name, port in ports.items() if exporter in (None, name)}
    if not wanted:
        return []
    rows = Backend.objects.live().order_by("pk").values_list("name", "group__name", "rack", "ip").iterator()
    return [
        {"targets": [f"{_host(ip)}:{port}"], "labels": _labels(name, group, rack, kind)}
        for name, group, rack, ip in rows
        for kind, port in wanted.items()
    ]


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


def _labels(node: str, group: str, rack: str, exporter: str) -> Mapping[str, str]:
    known = {"node": node, "group": group, "exporter": exporter}
    return {**known, "rack": rack} if rack else known
