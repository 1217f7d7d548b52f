from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backends.admin.forms import DeviceStatusForm
from backends.admin.node_tables import holder
from backends.admin.tones import device_badge
from backends.admin.use import DeviceUse
from backends.choices import DeviceStatus
from backends.models import Device
from moreh_cloud.events.actor import Actor
from moreh_cloud.lib.admin import ServiceAdmin, Table, ago, confirmed, link_to
from scheduler.models import Allocation
from scheduler.services.sdas import set_device_status


@admin.register(Device)
class DeviceAdmin(ServiceAdmin):
    list_display = (
        "shown_name",
        "backend_link",
        "model",
        "total_memory",
        "shown_status",
        "temperature",
        "use",
        "shown_since",
    )
    list_filter = (DeviceUse, "status", "why", "model", "backend__group")
    search_fields = ("backend__name", "model")
    search_help_text = _("Name of the backend, or model")
    ordering = ("backend_id", "index")
    fields = ("backend_link", "index", "model", "total_memory", "shown_status", "shown_since", "temperature", "use")
    readonly_fields = ("backend_link", "shown_status", "shown_since", "temperature", "use")
    actions = ("device_status",)
    actions_detail = ("device_status",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        devices: QuerySet[Device] = super().get_queryset(request).filter(backend__deleted_at__isnull=True)
        return devices.select_related("backend", "telemetry")

    @confirmed(
        _("Set device status"),
        says=_("The devices take this status, those with a job once it is over."),
        form=DeviceStatusForm,
        icon="developer_board",
        dangerous=True,
    )
    def device_status(self, actor: Actor, row: Device, data: dict[str, Any]) -> None:
        status = DeviceStatus(data["status"])
        set_device_status(row.backend, status, actor=actor, index=row.index, force=data["force"])

    def name_of(self, row: Device) -> str:
        return f"{row.backend.name}/{row.index:02}"

    @admin.display(description=_("device"))
    def shown_name(self, row: Device) -> str:
        return self.name_of(row)

    @admin.display(description=_("backend"), ordering="backend__name")
    def backend_link(self, row: Device) -> SafeString | str:
        return link_to(row.backend)

    @admin.display(description=_("status"), ordering="status")
    def shown_status(self, row: Device) -> SafeString:
        return device_badge(row)

    @admin.display(description=_("since"), ordering="since")
    def shown_since(self, row: Device) -> SafeString | str:
        return ago(row.since)

    @admin.display(description=_("temperature"), ordering="telemetry__temperature")
    def temperature(self, row: Device) -> str:
        now = getattr(row, "telemetry", None)
        return f"{now.temperature:.0f} °C" if now else "–"  # noqa: RUF001

    @admin.display(description=_("utilization"), ordering="telemetry__utilization")
    def use(self, row: Device) -> str:
        now = getattr(row, "telemetry", None)
        return f"{now.utilization:.0f} %" if now else "–"  # noqa: RUF001

    def tables(self, request: HttpRequest, row: Device) -> Iterable[Table]:
        now = Allocation.objects.filter(device=row, ended_at__isnull=True).select_related("token")
        shown = [(holder(one), ago(one.started_at)) for one in now]
        yield Table(_("Held by"), (_("job or SDA"), _("since")), shown)
