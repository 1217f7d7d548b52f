"""The admin of nodes."""

from collections import Counter
from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet, prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from unfold.views import ChangeList

from backends.admin.forms import WIRE_NAMES, BackendForm, DeviceStatusForm, MoveForm
from backends.admin.maintenance_tables import MaintenanceForm, concerned
from backends.admin.node_columns import NodeColumns
from backends.admin.node_filters import (
    INVENTORY_FILTERS,
    DeviceHealthFilter,
    DeviceModelFilter,
    DeviceStateFilter,
    NodesOfTokenFilter,
)
from backends.admin.node_inventory import INVENTORY, NodeInventoryActions
from backends.admin.node_page import node_context
from backends.admin.node_power import POWER, NodePowerActions
from backends.admin.use_filters import NodeUseFilter
from backends.choices import BackendStatus, DeviceStatus
from backends.models import Backend, Bmc, Device, NodeFieldValue
from backends.queries import devices_taken_out, devices_without_agent
from backends.queries.maintenance import next_window
from backends.services.groups import move_backend
from backends.services.inventory import COLUMNS
from backends.services.maintenance import create_window
from backends.services.nodes import create_backend, rotate_node_key, set_backend_status, update_backend
from core.admin import (
    ForceForm,
    Secret,
    ServiceAdmin,
    Tombstones,
    compressed,
    confirmed,
    fields_of,
)
from core.admin.actions import without
from core.admin.lookups import with_key
from core.stored_text import Skipped, StoredText
from events.actor import Actor
from events.admin import actor_of
from inventory.admin.nouns import WithCustomFields, custom_values
from remediation.admin.forms import OpenForm
from remediation.services import operators as repairs
from scheduler.queries.node_choice import narrowed
from scheduler.services.nodes import (
    activate_backend,
    check_backend,
    delete_backend,
    drain_backend,
    set_device_status,
)

STILL_OUT = _("It was active already; an operator has taken %(devices)s of its devices out: set their status.")
STILL_AWAY = _("Devices that come back when its agent reports: %(devices)s.")
KEY_NOTE = _(
    "Put it into the file that the node's agent reads with --key-file (by default node.key in its --state-dir). "
    "It is stored as a digest and cannot be shown again."
)
SCHEDULING = (
    *("activate", "shut_down", "drain", "maintain", "device_status", "move_group", "health_check"),
    "open_repair",
)


class NodeList(ChangeList):
    """A page of nodes with only those columns of their devices that it needs; a page has hundreds of devices."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Backend]:
        """Return the rows with their devices."""
        devices = Device.objects.only("backend_id", "index", "status", "model", "drained", "drain_to", "verdict")
        rows: QuerySet[Backend] = super().get_queryset(request, exclude_parameters)
        return rows.prefetch_related(Prefetch("devices", devices), "tags")


@admin.register(Backend)
@compressed
class BackendAdmin(NodeColumns, NodePowerActions, NodeInventoryActions, WithCustomFields, ServiceAdmin):  # type: ignore[misc]
    """Nodes: their state, power, scheduling and inventory."""

    comes_from = _("Add a node, import a file of nodes, or let an agent enrol with an enrolment key.")
    form = BackendForm
    field_values = NodeFieldValue
    change_form_outer_before_template = None  # the page has a template of its own
    list_display = (
        "name",
        "group",
        "status_column",
        "power_column",
        "devices_column",
        "place_column",
        "address",
        "seen",
        "agent_version",
    )
    list_filter = (
        Tombstones,
        NodeUseFilter,
        "status",
        DeviceStateFilter,
        DeviceHealthFilter,
        DeviceModelFilter,
        "group",
        NodesOfTokenFilter,
        "bmc__status",
        "why",
        "bmc__weak",
        *INVENTORY_FILTERS,
    )
    list_select_related = ("group", "bmc", "agent")
    live_topics = "nodes telemetry"
    page_of_rows = NodeList
    search_fields = ("name", "description", "serial", "ip", "bmc__ip")
    search_help_text = _("Name, description, serial number, worker address or BMC address")
    ordering = ("name",)
    wire_names = WIRE_NAMES
    export_columns = {"place": None}  # the file has rack and unit
    actions = (*POWER, *SCHEDULING, *INVENTORY, "delete")
    actions_detail = (
        {"title": _("Power"), "icon": "power_settings_new", "items": list(POWER)},
        {"title": _("Scheduling"), "icon": "tune", "items": list(SCHEDULING)},
        {"title": _("Inventory"), "icon": "inventory_2", "items": list(INVENTORY)},
        {"title": _("More"), "icon": "more_horiz", "items": ["rotate_key", "delete"]},
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Backend]:
        backends: QuerySet[Backend] = super().get_queryset(request).select_related("group", "bmc", "agent")
        return backends.annotate(window_from=next_window(), window_to=next_window("ends_at"))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the node with its tags and custom fields."""
        row: Any = super().get_object(request, object_id, from_field)
        if row:
            prefetch_related_objects([row], "tags", *(["custom_values"] if self.fields_here(request) else []))
        return row

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Return the actions of a node, without power actions when it has no BMC."""
        actions: list[Any] = super().get_actions_detail(request, object_id)
        without_bmc = with_key(Bmc.objects.filter(ip=None), str(object_id)).exists()
        return without(actions, POWER) if without_bmc else actions

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Search as the node grid does, so that both show the same nodes."""
        return narrowed(queryset, "q", search_term), False

    def own_fieldsets(self, request: HttpRequest, obj: Any) -> Any:
        node = ("name", "group", ("ip", "port"), "description")
        fields = (("bmc_driver", "bmc_ip", "bmc_port"), ("bmc_user", "bmc_password"), "bmc_certificate")
        bmc = ((_("BMC"), {"fields": fields}),)
        place = ((_("Inventory"), {"fields": (("rack", "unit"), "serial", "tag_names")}),)
        if obj is None:
            return ((None, {"fields": (*node, ("devices", "device_model"))}), *bmc, *place)
        return ((None, {"fields": node}), *((*bmc, *place) if self.has_change_permission(request, obj) else ()))

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Return the page with the node's state above its form, or only the state when a live page refreshes it."""
        row = kwargs.get("obj")
        context |= node_context(row) | {"custom_values": custom_values(self.fields_here(request), row)} if row else {}
        if row and request.headers.get("X-Live-Part"):
            return TemplateResponse(request, "admin/backends/backend/now.html", context)
        return super().render_change_form(request, context, *args, **kwargs)

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> tuple[Backend, Secret]:
        wanted = {name: value for name, value in data.items() if value not in ("", None)}
        wanted["tags"] = wanted.pop("tag_names", [])
        backend, key = create_backend(actor=actor_of(request), **{"custom_fields": {}, **wanted})
        return backend, Secret(_("Key of the node's agent"), key, KEY_NOTE)

    def update_row(self, request: HttpRequest, row: Backend, changes: dict[str, Any]) -> None:
        actor = actor_of(request)
        bmc = {name.removeprefix("bmc_"): value for name, value in changes.items() if name.startswith("bmc_")}
        plain = fields_of(changes, "name", "ip", "port", "description", *COLUMNS, "custom_fields")
        if "tag_names" in changes:
            plain["tags"] = changes["tag_names"]
        if "group" in changes:
            move_backend(row, changes["group"], actor=actor)
        if plain or bmc:
            update_backend(row, actor=actor, bmc=bmc, **plain)

    @confirmed(
        _("Activate"),
        explanation=_(
            "New jobs may be placed on it again. A drain ends: its devices come back. "
            "If maintenance lasts, it leaves it."
        ),
        icon="play_arrow",
    )
    def activate(self, actor: Actor, row: Backend, _data: dict[str, Any]) -> StoredText | bool:
        changed, devices = activate_backend(row, actor=actor)
        if devices:
            return StoredText(_("Devices back from the drain: %(devices)s."), {"devices": devices})
        if changed and (away := devices_without_agent(row)):
            return StoredText(STILL_AWAY, {"devices": away})
        if not changed and (out := devices_taken_out(row)):
            return Skipped(STILL_OUT, {"devices": out})
        return changed

    @confirmed(_("Shut down"), explanation=_("No new job is placed on it; its running jobs go on."), icon="stop")
    def shut_down(self, actor: Actor, row: Backend, _data: dict[str, Any]) -> bool:
        return set_backend_status(row, BackendStatus.SHUTDOWN, actor=actor)

    @confirmed(
        _("Drain"),
        explanation=_("Its devices shut down as their jobs end, free ones at once. Activate brings them back."),
        icon="low_priority",
    )
    def drain(self, actor: Actor, row: Backend, _data: dict[str, Any]) -> StoredText | bool:
        return _device_results(drain_backend(row, actor=actor))

    @confirmed(
        _("Plan maintenance"),
        explanation=_(
            "When it begins, these nodes drain; when it ends, exactly what it has drained comes back. Until then, jobs "
            "whose time limit reaches into it are placed elsewhere, and so are new reserved SDAs."
        ),
        form=MaintenanceForm,
        icon="construction",
        together=True,
        about=concerned,
    )
    def maintain(self, actor: Actor, rows: list[Backend], data: dict[str, Any]) -> StoredText:
        window = create_window([row.pk for row in rows], **data, actor=actor)
        return StoredText(_("Maintenance window #%(window)s is planned."), {"window": window.pk})

    @confirmed(
        _("Set device status"),
        explanation=_("All devices of the node take this status, those with a job once it is over."),
        form=DeviceStatusForm,
        icon="developer_board",
        dangerous=True,
    )
    def device_status(self, actor: Actor, row: Backend, data: dict[str, Any]) -> StoredText | bool:
        status = DeviceStatus(data["status"])
        return _device_results(set_device_status(row, status, actor=actor, force=data["force"]))

    @confirmed(
        _("Move to group"), explanation=_("Running jobs stay where they are."), form=MoveForm, icon="drive_file_move"
    )
    def move_group(self, actor: Actor, row: Backend, data: dict[str, Any]) -> bool:
        return move_backend(row, data["group"], actor=actor)

    @confirmed(_("Run health check"), explanation=_("The agent runs its health check now."), icon="health_and_safety")
    def health_check(self, _actor: Actor, row: Backend, _data: dict[str, Any]) -> Skipped | None:
        return None if check_backend(row) else Skipped(_("It is asked for already."))

    @confirmed(
        _("Open repair"),
        explanation=_("Devices leave service as their jobs end. The group's settings say what may be done to them."),
        form=OpenForm,
        icon="build",
        dangerous=True,
    )
    def open_repair(self, actor: Actor, row: Backend, data: dict[str, Any]) -> None:
        repairs.open_repair(row, indexes=data["devices"], reason=data["reason"], actor=actor)

    @confirmed(
        _("Rotate node key"),
        explanation=_("The agent gets another key; the old one stops working at its next connection."),
        icon="key",
        dangerous=True,
    )
    def rotate_key(self, actor: Actor, row: Backend, _data: dict[str, Any]) -> Secret:
        return Secret(_("Key of the node's agent"), rotate_node_key(row, actor=actor), KEY_NOTE)

    @confirmed(
        _("Delete"),
        explanation=_("The node is deleted. Its history and usage stay, and its name may be used again."),
        form=ForceForm,
        icon="delete",
        dangerous=True,
    )
    def delete(self, actor: Actor, row: Backend, data: dict[str, Any]) -> None:
        delete_backend(row, actor=actor, force=data["force"])


def _device_results(results: dict[int, str]) -> StoredText | bool:
    counts = Counter(results.values())
    if not counts["changed"] + counts["draining"]:
        return False
    text = _("Devices changed: %(changed)s; draining: %(draining)s.")
    return StoredText(text, {"changed": counts["changed"], "draining": counts["draining"]})
