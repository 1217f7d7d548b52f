from collections import Counter
from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.views import ChangeList

from backends.admin.forms import BackendForm, DeviceStatusForm, MoveForm, PowerForm
from backends.admin.node_filters import ByDeviceModel, ByDevices, ByToken
from backends.admin.node_page import node_page
from backends.admin.tones import DEVICE, backend_badge, power_badge
from backends.admin.use import NodeUse
from backends.choices import BackendStatus, DeviceStatus, PowerVerb
from backends.models import Backend, Device
from backends.services.groups import move_backend
from backends.services.nodes import create_backend, rotate_node_key, set_backend_status, update_backend
from backends.services.power import request_power
from moreh_cloud.console.queries.node_choice import narrowed
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.admin import actor_of
from moreh_cloud.lib.admin import (
    ForceForm,
    Secret,
    ServiceAdmin,
    Tombstones,
    ago,
    compressed,
    confirmed,
    fields_of,
)
from moreh_cloud.lib.said import Said
from scheduler.services.sdas import check_backend, delete_backend, drain_backend, set_device_status

KEY_NOTE = _("Give it to the node's agent now (MOREH_NODE_KEY): it is stored as a digest and cannot be shown again.")
POWER = ("power_status", "power_on", "power_off", "power_soft", "power_cycle", "power_reset", "power_reconnect")
SCHEDULING = ("activate", "shut_down", "drain", "device_status", "move_group", "health_check")


def _power(verb: PowerVerb, says: Any, *, icon: str, dangerous: bool = False) -> Any:
    def ask(_self: Any, actor: Actor, row: Backend, data: dict[str, Any]) -> None:
        request_power(row, verb, actor=actor, force=data.get("force", False))

    ask.__name__ = f"power_{verb.value}"
    form = {"form": PowerForm} if dangerous else {}
    return confirmed(capfirst(verb.label), says=says, icon=icon, dangerous=dangerous, **form)(ask)  # type: ignore[arg-type]


class NodeList(ChangeList):
    """Nodes with what the list shows of their devices, of which a page has hundreds."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Backend]:
        """Read the devices of the rows too."""
        shown = Device.objects.only("backend_id", "index", "status", "model")
        rows: QuerySet[Backend] = super().get_queryset(request, exclude_parameters)
        return rows.prefetch_related(Prefetch("devices", shown))


@admin.register(Backend)
@compressed
class BackendAdmin(ServiceAdmin):
    comes_from = _("Add a node, import a file of nodes, or let an agent come with an enrolment key.")
    form = BackendForm
    change_form_outer_before_template = None  # the page has a template of its own
    list_display = ("name", "group", "shown_status", "shown_power", "shown_devices", "address", "seen", "agent_version")
    list_filter = (
        Tombstones,
        NodeUse,
        "status",
        ByDevices,
        ByDeviceModel,
        "group",
        ByToken,
        "bmc__status",
        "why",
        "bmc__weak",
    )
    list_select_related = ("group", "bmc", "agent")
    live_topics = "nodes telemetry"
    page_of_rows = NodeList
    search_fields = ("name", "description", "ip", "bmc__ip")
    search_help_text = _("Name, description, worker address or BMC address")
    ordering = ("name",)
    wire_names = {"label": "name", "workerip": "ip", "node": "bmc_ip", "bmcPort": "bmc_port"}
    actions = (*POWER, *SCHEDULING, "delete")
    actions_detail = (
        {"title": _("Power"), "icon": "power_settings_new", "items": list(POWER)},
        {"title": _("Scheduling"), "icon": "tune", "items": list(SCHEDULING)},
        "rotate_key",
        "delete",
    )

    power_status = _power(PowerVerb.STATUS, _("The BMC is asked for the power state now."), icon="visibility")
    power_on = _power(PowerVerb.ON, _("The node is powered on."), icon="power")
    power_off = _power(
        PowerVerb.OFF, _("The node loses power at once; what runs on it is lost."), icon="power_off", dangerous=True
    )
    power_soft = _power(
        PowerVerb.SOFT, _("The operating system is asked to shut down (ACPI)."), icon="mode_off_on", dangerous=True
    )
    power_cycle = _power(
        PowerVerb.CYCLE, _("The node is powered off, seen off, and powered on again."), icon="cycle", dangerous=True
    )
    power_reset = _power(
        PowerVerb.RESET,
        _("The reset is sent once and never repeated. If it cannot be confirmed, its outcome stays unknown."),
        icon="restart_alt",
        dangerous=True,
    )
    power_reconnect = _power(PowerVerb.RECONNECT, _("The BMC's login is tried again."), icon="key")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Backend]:
        backends: QuerySet[Backend] = super().get_queryset(request).select_related("group", "bmc", "agent")
        return backends

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Search as the node grid does, so that both show the same nodes."""
        return narrowed(queryset, "q", search_term), False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        node = ("name", "group", ("ip", "port"), "description")
        bmc = ((_("BMC"), {"fields": (("bmc_ip", "bmc_port"), ("bmc_user", "bmc_password"))}),)
        if obj is None:
            return ((None, {"fields": (*node, ("devices", "device_model"))}), *bmc)
        return ((None, {"fields": node}), *(bmc if self.has_change_permission(request, obj) else ()))

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the node's state above its form; a page that renews itself gets only that."""
        row = kwargs.get("obj")
        context |= node_page(row) if row else {}
        if row and request.headers.get("X-Live-Part"):
            return TemplateResponse(request, "admin/backends/backend/now.html", context)
        return super().render_change_form(request, context, *args, **kwargs)

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> tuple[Backend, Secret]:
        wanted = {name: value for name, value in data.items() if value not in ("", None)}
        backend, key = create_backend(actor=actor_of(request), **wanted)
        return backend, Secret(_("Key of the node's agent"), key, KEY_NOTE)

    def update_row(self, request: HttpRequest, row: Backend, changes: dict[str, Any]) -> None:
        actor = actor_of(request)
        bmc = {name.removeprefix("bmc_"): value for name, value in changes.items() if name.startswith("bmc_")}
        plain = fields_of(changes, "name", "ip", "port", "description")
        if plain or bmc:
            update_backend(row, actor=actor, bmc=bmc, **plain)
        if "group" in changes:
            move_backend(row, changes["group"], actor=actor)

    @confirmed(_("Activate"), says=_("New jobs may be placed on it again."), icon="play_arrow")
    def activate(self, actor: Actor, row: Backend, _data: dict[str, Any]) -> None:
        set_backend_status(row, BackendStatus.ACTIVE, actor=actor)

    @confirmed(_("Shut down"), says=_("No new job is placed on it; its running jobs go on."), icon="stop")
    def shut_down(self, actor: Actor, row: Backend, _data: dict[str, Any]) -> None:
        set_backend_status(row, BackendStatus.SHUTDOWN, actor=actor)

    @confirmed(_("Drain"), says=_("Its devices shut down as their jobs end; free ones at once."), icon="low_priority")
    def drain(self, actor: Actor, row: Backend, _data: dict[str, Any]) -> Said:
        return _verdicts(drain_backend(row, actor=actor))

    @confirmed(
        _("Set device status"),
        says=_("All devices of the node take this status, those with a job once it is over."),
        form=DeviceStatusForm,
        icon="developer_board",
        dangerous=True,
    )
    def device_status(self, actor: Actor, row: Backend, data: dict[str, Any]) -> Said:
        status = DeviceStatus(data["status"])
        return _verdicts(set_device_status(row, status, actor=actor, force=data["force"]))

    @confirmed(_("Move to group"), says=_("Running jobs stay where they are."), form=MoveForm, icon="drive_file_move")
    def move_group(self, actor: Actor, row: Backend, data: dict[str, Any]) -> None:
        move_backend(row, data["group"], actor=actor)

    @confirmed(_("Run health check"), says=_("The agent runs its health check now."), icon="health_and_safety")
    def health_check(self, _actor: Actor, row: Backend, _data: dict[str, Any]) -> None:
        check_backend(row)

    @confirmed(
        _("Rotate node key"),
        says=_("The agent gets another key; the old one stops working at its next connection."),
        icon="key",
        dangerous=True,
    )
    def rotate_key(self, actor: Actor, row: Backend, _data: dict[str, Any]) -> Secret:
        return Secret(_("Key of the node's agent"), rotate_node_key(row, actor=actor), KEY_NOTE)

    @confirmed(
        _("Delete"),
        says=_("The node leaves; its history and usage stay, and its name may be used again."),
        form=ForceForm,
        icon="delete",
        dangerous=True,
    )
    def delete(self, actor: Actor, row: Backend, data: dict[str, Any]) -> None:
        delete_backend(row, actor=actor, force=data["force"])

    @admin.display(description=_("status"), ordering="status")
    def shown_status(self, row: Backend) -> SafeString:
        return backend_badge(row)

    @admin.display(description=_("power"), ordering="bmc__status")
    def shown_power(self, row: Backend) -> SafeString:
        return power_badge(getattr(row, "bmc", None))

    @admin.display(description=_("devices"))
    def shown_devices(self, row: Backend) -> SafeString | str:
        counts = Counter(device.status for device in row.devices.all())
        shown = [(counts[status], DeviceStatus(status).label) for status in DEVICE if counts[status]]
        return format_html_join(" · ", '<span class="whitespace-nowrap">{} {}</span>', shown) or _now("none")

    @admin.display(description=_("worker address"), ordering="ip")
    def address(self, row: Backend) -> str:
        return f"{row.ip}:{row.port}"

    @admin.display(description=_("agent last seen"), ordering="agent__last_seen")
    def seen(self, row: Backend) -> SafeString | str:
        return ago(row.agent.last_seen)

    @admin.display(description=_("agent version"), ordering="agent__version")
    def agent_version(self, row: Backend) -> str:
        return row.agent.version or "–"  # noqa: RUF001


def _verdicts(verdicts: dict[int, str]) -> Said:
    counts = Counter(verdicts.values())
    told = _("%(changed)s devices changed, %(draining)s are draining")
    return Said(told, {"changed": counts["changed"], "draining": counts["draining"]})
