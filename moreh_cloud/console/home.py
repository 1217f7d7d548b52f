"""The first page: what there is and what needs a look."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from backends.choices import BackendStatus, DeviceStatus
from moreh_cloud.alerts.choices import Level
from moreh_cloud.console.queries.home import counts, latest_open_alerts
from moreh_cloud.lib.errors import Message
from scheduler.choices import LIVE, OVER, JobStatus

CHECKED = ("api", "db", "grpc", "ipmi")


@dataclass(frozen=True, slots=True)
class Card:
    """A total with its parts, each leading to the list behind it."""

    title: Message
    total: int
    address: str
    parts: Sequence[tuple[Message, int, str]]


def home(_request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the counts of the home page to unfold's context."""
    now = counts()
    nodes, devices = reverse("admin:backends_backend_changelist"), reverse("admin:backends_device_changelist")
    jobs, alerts = reverse("admin:scheduler_job_changelist"), reverse("admin:alerts_alert_changelist")
    context["cards"] = [
        _card(_("Nodes"), nodes, now.nodes, BackendStatus, "status__exact"),
        _card(_("Devices"), devices, now.devices, DeviceStatus, "status__exact"),
        _card(_("Jobs now"), jobs, now.live_jobs, LIVE, "status__exact"),
        _card(_("Jobs ended in 24 hours"), f"{jobs}?phase=over", now.ended_jobs, OVER, "status__exact"),
        _card(_("Open alerts"), f"{alerts}?state=open", now.alerts, reversed(Level), "level__exact"),
    ]
    context["alerts"] = latest_open_alerts()
    context["checked"] = CHECKED
    return context


def _card(
    title: Message,
    address: str,
    numbers: Mapping[str, int],
    states: Iterable[BackendStatus | DeviceStatus | JobStatus | Level],
    parameter: str,
) -> Card:
    joint = "&" if "?" in address else "?"
    parts = [
        (state.label, numbers.get(state.value, 0), f"{address}{joint}{parameter}={state.value}") for state in states
    ]
    return Card(title, sum(numbers.values()), address, parts)
