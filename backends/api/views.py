"""The views of REST."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import OperatorView
from backends.api import cards
from backends.api import group_serializers as group_shapes
from backends.api import serializers as shapes
from backends.api.filters import BackendFilter, GroupFilter
from backends.api.power import power_response
from backends.choices import DEFAULT_GROUP, BackendStatus, PowerVerb
from backends.errors import DefaultGroup
from backends.models import Backend, BackendGroup, PowerAction
from backends.queries import live_backend_groups, live_backends
from backends.queries.waiting import waiting_action
from backends.services import groups, nodes
from backends.services.power import DrainFirst, request_power
from backends.services.power_waiting import cancel_power
from core.api.schema import envelope, envelope_of_one, failures, reads, writes
from core.api.views import success
from core.clock import db_now
from core.errors import NotFound
from scheduler.services import nodes as scheduling
from scheduler.services.power import drain_then
from sda.services.groups import delete_backend_group

FIELDS = ("name", "ip", "port", "description", "rack", "unit", "serial", "tags", "custom_fields")
BMC_NAMES = {
    "node": "ip",
    "bmc_port": "port",
    "user": "user",
    "password": "password",
    "bmc_driver": "driver",
    "bmc_certificate": "certificate",
}
RESULT_OF_COMMAND = envelope_of_one("BackendCommandSuccess", shapes.BackendSerializer, shapes.PowerActionSerializer)


@extend_schema(tags=["backend"])
class BackendView(OperatorView):
    """Backends."""

    queryset = live_backends()
    filterset_class = BackendFilter

    @reads(shapes.BackendSerializer)
    def list(self, _request: Request) -> Response:
        """List backends with their devices."""
        return self.listed(cards.backend_cards(self.page(live_backends()), self.showing))

    @writes(shapes.NewBackend, shapes.BackendSerializer)
    def create(self, _request: Request) -> Response:
        """Create a backend; only this response contains the key for its agent."""
        given: dict[str, Any] = {"custom_fields": {}, **self.given(shapes.NewBackend)}
        backend, key = nodes.create_backend(**given, actor=self.actor)
        return success({**self._card(backend), "agentKey": key})

    @writes(
        shapes.BackendCommand,
        shapes.BackendSerializer,
        responses={200: RESULT_OF_COMMAND, 202: envelope(shapes.PowerActionSerializer), **failures(502)},
    )
    def update(self, _request: Request) -> Response:
        """Change a backend, or request a power action of its BMC."""
        given = self.given(shapes.BackendCommand)
        backend, command = _named(given), given.pop("command")
        if command == shapes.UPDATE:
            return success(self._card(self._change(backend, given)))
        return power_response(self._act(backend, command, given), wait=given["wait"])

    @writes(shapes.OneBackend)
    def destroy(self, _request: Request) -> Response:
        """Delete a backend."""
        scheduling.delete_backend(**self.given(shapes.OneBackend), actor=self.actor)
        return success()

    def _act(self, backend: Backend, command: str, given: dict[str, Any]) -> PowerAction:
        """Create a power action, which may wait for a drain, or cancel the one that waits."""
        if command == shapes.CANCEL:
            return cancel_power(waiting_action(backend), actor=self.actor)
        verb, login = PowerVerb(command), {name: given[name] for name in ("user", "password") if name in given}
        if "drain" in given:
            drain = DrainFirst(db_now() + timedelta(seconds=given["drain"]), given["drain_force"])
            return drain_then(backend, verb, drain, actor=self.actor, **login)
        return request_power(backend, verb, actor=self.actor, force=given["force"], **login)

    @transaction.atomic
    def _change(self, backend: Backend, given: dict[str, Any]) -> Backend:
        bmc = {BMC_NAMES[name]: given[name] for name in BMC_NAMES if name in given}
        fields = {name: given[name] for name in FIELDS if name in given}
        if bmc or fields or "status" not in given:
            nodes.update_backend(backend, actor=self.actor, bmc=bmc, **fields)
        if "status" in given:
            self._set_status(backend, given["status"])
        return backend

    def _set_status(self, backend: Backend, status: BackendStatus) -> None:
        if status == BackendStatus.ACTIVE:
            scheduling.activate_backend(backend, actor=self.actor)
        else:
            nodes.set_backend_status(backend, status, actor=self.actor)

    def _card(self, backend: Backend) -> dict[str, Any]:
        (card,) = cards.backend_cards(live_backends().filter(pk=backend.pk), self.showing)
        return card


def _named(given: dict[str, Any]) -> Backend:
    """Return the backend with the given id; for reconnect also by the address of its BMC."""
    if backend := given.pop("backend", None):
        return backend  # type: ignore[no-any-return]
    if given["command"] != "reconnect" or "node" not in given:
        raise serializers.ValidationError({"id": [serializers.Field.default_error_messages["required"]]})
    found: Backend | None = live_backends().filter(bmc__ip=given["node"]).first()
    if found is None:
        raise NotFound(node=given["node"])
    return found


@extend_schema(tags=["backend"])
class DeviceStatusView(OperatorView):
    """The status of devices."""

    @writes(shapes.DeviceStatusChange, shapes.DeviceVerdicts)
    def update(self, _request: Request) -> Response:
        """Set the devices of a backend, or one of them, to SHUTDOWN, IDLE or BUSY."""
        given = self.given(shapes.DeviceStatusChange)
        results = scheduling.set_device_status(**given, actor=self.actor)
        devices = [{"index": index, "result": result} for index, result in sorted(results.items())]
        return success({"id": given["backend"].pk, "devices": devices})


@extend_schema(tags=["backend"])
class GroupView(OperatorView):
    """Backend groups."""

    queryset = live_backend_groups()
    filterset_class = GroupFilter

    @reads(group_shapes.BackendGroupSerializer)
    def list(self, _request: Request) -> Response:
        """List backend groups."""
        return self.listed(cards.group_cards(self.page(live_backend_groups()), self.showing))

    @writes(group_shapes.NewBackendGroup, group_shapes.BackendGroupSerializer)
    def create(self, _request: Request) -> Response:
        """Create a backend group."""
        given: dict[str, Any] = {"custom_fields": {}, **self.given(group_shapes.NewBackendGroup)}
        return success(group_card(groups.create_backend_group(**given, actor=self.actor), self))

    @writes(group_shapes.BackendGroupChange, group_shapes.BackendGroupSerializer)
    def update(self, _request: Request) -> Response:
        """Change a backend group, or exactly which backends are in it."""
        given = self.given(group_shapes.BackendGroupChange)
        return success(group_card(groups.update_backend_group(**given, actor=self.actor), self))

    @writes(group_shapes.OneBackendGroup)
    def destroy(self, _request: Request) -> Response:
        """Delete a backend group; with `force` its backends go to the default group."""
        delete_backend_group(**self.given(group_shapes.OneBackendGroup), actor=self.actor)
        return success()


@extend_schema(tags=["backend"])
class GroupingView(OperatorView):
    """Which backend is in which group."""

    @writes(group_shapes.BackendGrouping, group_shapes.BackendGroupSerializer)
    def create(self, _request: Request) -> Response:
        """Put a backend of the default group into a group."""
        given = self.given(group_shapes.BackendGrouping)
        return self._moved(given["backend"], given["group"], come_from=[DEFAULT_GROUP])

    @writes(group_shapes.BackendGrouping, group_shapes.BackendGroupSerializer)
    def update(self, _request: Request) -> Response:
        """Move a backend to another group."""
        given = self.given(group_shapes.BackendGrouping)
        return self._moved(given["backend"], given["group"])

    @writes(group_shapes.BackendGrouping, group_shapes.BackendGroupSerializer)
    def destroy(self, _request: Request) -> Response:
        """Move a backend back to the default group."""
        given = self.given(group_shapes.BackendGrouping)
        left: BackendGroup = given["group"]
        if left.pk == DEFAULT_GROUP:
            raise DefaultGroup(group=left.pk)
        default = live_backend_groups().get(pk=DEFAULT_GROUP)
        groups.move_backend(given["backend"], default, actor=self.actor, come_from=[left.pk])
        return success(group_card(left, self))

    def _moved(self, backend: Backend, group: BackendGroup, come_from: list[int] | None = None) -> Response:
        groups.move_backend(backend, group, actor=self.actor, come_from=come_from)
        return success(group_card(group, self))


def group_card(group: BackendGroup, view: OperatorView) -> dict[str, Any]:
    """Return a backend group as the caller of the view may see it."""
    (card,) = cards.group_cards(live_backend_groups().filter(pk=group.pk), view.showing)
    return card
