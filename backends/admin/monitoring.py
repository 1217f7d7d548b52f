"""The admin of sensors and event log entries of BMCs."""

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backends.admin.node_monitoring import value_of
from backends.admin.power import BackendIdFilter
from backends.admin.status_colours import SENSOR_COLOURS
from backends.models import BmcLogEntry, Sensor
from core.admin import GrowingAdmin, badge, link_column, time_ago
from core.clock import from_ms
from core.signs import NOTHING

LIMITS = ("lower_critical", "lower_warning", "upper_warning", "upper_critical")


@admin.register(Sensor)
class SensorAdmin(GrowingAdmin):
    """The latest readings of sensors."""

    comes_from = _("No sensor has been read yet. The action “read sensors and log” of a node reads them now.")
    list_display = ("name", "backend_link", "shown_value", "state_column", "limits", "read")
    list_filter = ("state", "unit", BackendIdFilter)
    list_select_related = ("backend",)
    search_fields = ("name", "backend__name")
    search_help_text = _("Name of the sensor or of the backend")
    ordering = ("-id",)
    export_columns = {"unit": "unit", "limits": None, **{name: name for name in LIMITS}}
    fields = (
        ("backend_link", "name"),
        ("shown_value", "state_column"),
        LIMITS,
        "read_at",
    )
    readonly_fields = ("backend_link", "shown_value", "state_column")

    backend_link = link_column("backend", _("backend"), ordering="backend__name")

    @admin.display(description=_("value"), ordering="value")
    def shown_value(self, row: Sensor) -> str:
        return value_of(row)

    @admin.display(description=_("state"), ordering="state")
    def state_column(self, row: Sensor) -> SafeString:
        return badge(row.get_state_display(), SENSOR_COLOURS[row.state])

    @admin.display(description=_("limits"))
    def limits(self, row: Sensor) -> str:
        found = (getattr(row, name) for name in LIMITS)
        return " / ".join(NOTHING if limit is None else f"{limit:g}" for limit in found)

    @admin.display(description=_("read"), ordering="read_at")
    def read(self, row: Sensor) -> SafeString | str:
        return time_ago(row.read_at)


@admin.register(BmcLogEntry)
class BmcLogEntryAdmin(GrowingAdmin):
    """Stored entries of event logs."""

    comes_from = _("No entry of an event log has been read yet.")
    list_display = ("id", "backend_link", "at", "sensor", "severity_column", "message", "record", "stored")
    list_filter = ("severity", BackendIdFilter)
    list_select_related = ("backend",)
    search_fields = ("backend__name", "sensor", "message")
    search_help_text = _("Name of the backend, sensor or message")
    ordering = ("-id",)
    export_columns = {"at": lambda row: from_ms(row.time_ms) if row.time_ms else None, "stored": "stored_at"}
    fields = (("backend_link", "record", "at"), ("sensor", "severity_column"), "message", "stored_at")
    readonly_fields = ("backend_link", "at", "severity_column")

    backend_link = link_column("backend", _("backend"), ordering="backend__name")

    @admin.display(description=_("time"), ordering="time_ms")
    def at(self, row: BmcLogEntry) -> SafeString | str:
        return time_ago(from_ms(row.time_ms)) if row.time_ms else NOTHING

    @admin.display(description=_("severity"), ordering="severity")
    def severity_column(self, row: BmcLogEntry) -> SafeString:
        return badge(row.get_severity_display(), SENSOR_COLOURS[row.severity])

    @admin.display(description=_("stored"), ordering="id")
    def stored(self, row: BmcLogEntry) -> SafeString | str:
        return time_ago(row.stored_at)
