"""The columns of the list of nodes."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from backends.admin.health import VERDICT_COLOURS
from backends.admin.maintenance_tables import node_mark
from backends.admin.status_colours import DEVICE_COLOURS, backend_badge, power_badge
from backends.choices import DeviceStatus, Verdict
from backends.models import Backend
from core.admin import badge, time_ago


def _health_marks(row: Backend) -> Iterator[SafeString]:
    """Yield how many devices of a node have failed, and how many are suspect, as badges."""
    counts = Counter(device.verdict for device in row.devices.all())
    for verdict in (Verdict.FAILED, Verdict.SUSPECT):
        if counts[verdict]:
            yield badge(f"{counts[verdict]} {verdict.label}", VERDICT_COLOURS[verdict])


class NodeColumns:
    """Columns of nodes that are no fields."""

    @admin.display(description=_("status"), ordering="status")
    def status_column(self, row: Any) -> SafeString:
        marks = [backend_badge(row), node_mark(row.window_from, row.window_to), *_health_marks(row)]
        return format_html_join(" ", "{}", ((mark,) for mark in marks if mark))

    @admin.display(description=_("power"), ordering="bmc__status")
    def power_column(self, row: Backend) -> SafeString:
        return power_badge(getattr(row, "bmc", None))

    @admin.display(description=_("devices"))
    def devices_column(self, row: Backend) -> SafeString | str:
        states = ("drained" if d.drained and d.drain_to in ("", d.status) else d.status for d in row.devices.all())
        counts = Counter(states)
        labels = {**{status: DeviceStatus(status).label for status in DEVICE_COLOURS}, "drained": _now("drained")}
        texts = [(counts[state], label) for state, label in labels.items() if counts[state]]
        return format_html_join(" · ", '<span class="whitespace-nowrap">{} {}</span>', texts) or _now("none")

    @admin.display(description=_("worker address"), ordering="ip")
    def address(self, row: Backend) -> str:
        return f"{row.ip}:{row.port}"

    @admin.display(description=_("agent last seen"), ordering="agent__last_seen")
    def seen(self, row: Backend) -> SafeString | str:
        return time_ago(row.agent.last_seen)

    @admin.display(description=_("agent version"), ordering="agent__version")
    def agent_version(self, row: Backend) -> str:
        return row.agent.version or "–"  # noqa: RUF001
