"""The admin of devices."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.views import ChangeList

from backends.admin.forms import DeviceStatusForm
from backends.admin.health import ClearVerdictForm, finding_table, former_card_table, verdict_badge
from backends.admin.node_tables import LATEST, holder_link
from backends.admin.status_colours import device_badge
from backends.admin.telemetry import telemetry_is_old, telemetry_value
from backends.admin.use_filters import DeviceUseFilter
from backends.choices import DeviceStatus
from backends.models import Device
from backends.queries.health import HOLDING_FIRST, open_findings
from backends.services.devices import CHANGED, DRAINING
from backends.services.verdicts import clear_verdict
from core.admin import ServiceAdmin, Table, confirmed, link_column, time_ago
from core.signs import NOTHING
from core.stored_text import Skipped, StoredText
from events.actor import Actor
from remediation.admin.tables import device_repairs
from scheduler.queries.allocations import holders
from scheduler.services.checks import check_device
from scheduler.services.nodes import set_device_status


class DeviceList(ChangeList):
    """The devices of live nodes; those of deleted ones have pages, to which histories lead."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Device]:
        """Return the devices of nodes that are not deleted."""
        rows: QuerySet[Device] = super().get_queryset(request, exclude_parameters)
        return rows.filter(backend__deleted_at__isnull=True)


@admin.register(Device)
class DeviceAdmin(ServiceAdmin):
    """Devices of nodes: their status, telemetry and holders."""

    list_display = (
        "name_column",
        "backend_link",
        "model",
        "total_memory_column",
        "status_column",
        "verdict_column",
        "temperature",
        "use",
        "since_column",
    )
    list_filter = (DeviceUseFilter, "status", "verdict", "why", "model", "backend__group")
    search_fields = ("backend__name", "model", "card__uuid", "card__serial")
    search_help_text = _("Name of the backend, model, UUID or serial number")
    ordering = ("backend_id", "index")
    fields = (
        ("backend_link", "index"),
        ("model", "total_memory_column"),
        ("status_column", "since_column"),
        ("verdict_column", "verdict_at"),
        ("checked_at", "pci_address"),
        ("uuid", "serial"),
        ("driver_version", "firmware_version"),
        ("temperature", "use"),
    )
    readonly_fields = (
        *("backend_link", "total_memory_column", "status_column", "since_column", "temperature", "use"),
        *("verdict_column", "verdict_at", "checked_at"),
        *("uuid", "serial", "pci_address", "driver_version", "firmware_version"),
    )
    export_columns = {
        "total_memory": lambda row: row.total_memory or None,
        "measured_at": "telemetry__at",
        "old": telemetry_is_old,
        "verdict_at": "verdict_at",
        "checked_at": "checked_at",
        "findings": lambda row: "; ".join(one.evidence for one in row.open_findings),
        "uuid": "card__uuid",
        "serial": "card__serial",
        "pci_address": "card__pci_address",
        "driver_version": "card__driver_version",
        "firmware_version": "card__firmware_version",
    }
    page_of_rows = DeviceList
    tombstone = "backend__deleted_at"
    actions = ("device_status", "check_device", "clear_verdict")
    actions_detail = ("device_status", "check_device", "clear_verdict")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        devices: QuerySet[Device] = super().get_queryset(request).select_related("backend__bmc", "telemetry", "card")
        if getattr(request, "whole_list", False):  # a file
            return devices.prefetch_related(Prefetch("findings", open_findings(), to_attr="open_findings"))
        return devices

    @confirmed(
        _("Set device status"),
        explanation=_("The devices take this status, those with a job once it is over."),
        form=DeviceStatusForm,
        icon="developer_board",
        dangerous=True,
    )
    def device_status(self, actor: Actor, row: Device, data: dict[str, Any]) -> StoredText | bool:
        status = DeviceStatus(data["status"])
        results = set_device_status(row.backend, status, actor=actor, index=row.index, force=data["force"])
        return (
            StoredText(_("It drains: it changes when its job has ended."))
            if DRAINING in results.values()
            else (CHANGED in results.values())
        )

    @confirmed(
        _("Run health check"),
        explanation=_("The agent checks the device now, unless it is in use."),
        icon="stethoscope",
    )
    def check_device(self, _actor: Actor, row: Device, _data: dict[str, Any]) -> Skipped | None:
        return None if check_device(row) else Skipped(_("It is asked for already."))

    @confirmed(
        _("Clear verdict"),
        explanation=_(
            "The device is healthy again, and is cleaned before it takes jobs. "
            "What was found counts again only when it becomes worse."
        ),
        form=ClearVerdictForm,
        icon="health_and_safety",
        dangerous=True,
    )
    def clear_verdict(self, actor: Actor, row: Device, data: dict[str, Any]) -> bool:
        return clear_verdict(row, reason=data["reason"], actor=actor)

    def name_of(self, row: Device) -> str:
        return f"{row.backend.name}/{row.index:02}"

    @admin.display(description=_("device"))
    def name_column(self, row: Device) -> str:
        return self.name_of(row)

    backend_link = link_column("backend", _("backend"), ordering="backend__name")

    @admin.display(description=_("memory (MiB)"), ordering="total_memory")
    def total_memory_column(self, row: Device) -> int | str:
        return row.total_memory or NOTHING

    @admin.display(description=_("status"), ordering="status")
    def status_column(self, row: Device) -> SafeString:
        return device_badge(row)

    @admin.display(description=_("health"), ordering="verdict")
    def verdict_column(self, row: Device) -> SafeString:
        return verdict_badge(row)

    @admin.display(description=_("UUID"))
    def uuid(self, row: Device) -> str:
        return _of_card(row, "uuid")

    @admin.display(description=_("serial number"))
    def serial(self, row: Device) -> str:
        return _of_card(row, "serial")

    @admin.display(description=_("PCI address"))
    def pci_address(self, row: Device) -> str:
        return _of_card(row, "pci_address")

    @admin.display(description=_("driver"))
    def driver_version(self, row: Device) -> str:
        return _of_card(row, "driver_version")

    @admin.display(description=_("firmware"))
    def firmware_version(self, row: Device) -> str:
        return _of_card(row, "firmware_version")

    @admin.display(description=_("since"), ordering="since")
    def since_column(self, row: Device) -> SafeString | str:
        return time_ago(row.since)

    @admin.display(description=_("temperature"), ordering="telemetry__temperature")
    def temperature(self, row: Device) -> SafeString | str:
        return telemetry_value(row, "temperature", "°C")

    @admin.display(description=_("utilization"), ordering="telemetry__utilization")
    def use(self, row: Device) -> SafeString | str:
        return telemetry_value(row, "utilization", "%")

    def tables(self, request: HttpRequest, row: Device) -> Iterable[Table]:
        now = holders([row.backend_id]).filter(device=row)
        rows = [(holder_link(one), time_ago(one.started_at)) for one in now]
        yield Table(_("Held by"), (_("job or SDA"), _("since")), rows)
        found = row.findings.order_by(*HOLDING_FIRST)[:LATEST]
        yield finding_table(found, with_device=False)
        yield device_repairs(row.backend_id, row.pk)
        yield former_card_table(row.former_cards.all()[:LATEST])


def _of_card(row: Device, name: str) -> str:
    """Return what is known of the card in a device's place."""
    return str(getattr(row.card, name)) or NOTHING if hasattr(row, "card") else NOTHING
