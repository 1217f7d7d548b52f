from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from backends.api import cards
from backends.api import serializers as shapes
from backends.api.filters import BackendFilter, GroupFilter
from backends.api.power import answer_power
from backends.choices import DEFAULT_GROUP
from backends.errors import DefaultGroup
from backends.models import Backend, BackendGroup
from backends.queries import live_backend_groups, live_backends
from backends.services import groups, nodes
from backends.services.power import request_power
from moreh_cloud.accounts.api.operators import OperatorView
from moreh_cloud.lib.api.schema import envelope, failures, reads, writes
from moreh_cloud.lib.api.views import success
from moreh_cloud.lib.errors import NotFound
from scheduler.services import sdas as scheduling
from sda.services.groups import delete_backend_group

BMC_NAMES = {"node": "ip", "bmc_port": "port", "user": "user", "password": "password"}


@extend_schema(tags=["backend"])
class BackendView(OperatorView):
    queryset = live_backends()
    filterset_class = BackendFilter

    @reads(shapes.BackendSerializer)
    def list(self, _request: Request) -> Response:
        """List backends with their devices."""
        return self.listed(cards.backend_cards(self.page(live_backends()), self.showing))

    @writes(shapes.NewBackend, shapes.BackendSerializer)
    def create(self, _request: Request) -> Response:
        """Add a backend; the answer holds the key for its agent, this one time."""
        backend, key = nodes.create_backend(**self.given(shapes.NewBackend), actor=self.actor)
        return success({**self._card(backend), "agentKey": key})

    @writes(
        shapes.BackendCommand,
        shapes.BackendSerializer,
        responses={202: envelope(shapes.PowerActionSerializer), **failures(502)},
    )
    def update(self, _request: Request) -> Response:
        """Change a backend, or have its BMC do something."""
        given = self.given(shapes.BackendCommand)
        backend, command = _named(given), given.pop("command")
        if command == shapes.UPDATE:
            return success(self._card(self._change(backend, given)))
        login = {name: given[name] for name in ("user", "password") if name in given}
        action = request_power(backend, command, actor=self.actor, force=given["force"], **login)
        return answer_power(action, wait=given["wait"])

    @writes(shapes.OneBackend)
    def destroy(self, _request: Request) -> Response:
        """Delete a backend."""
        scheduling.delete_backend(**self.given(shapes.OneBackend), actor=self.actor)
        return success()

    @transaction.atomic
    def _change(self, backend: Backend, given: dict[str, Any]) -> Backend:
        bmc = {BMC_NAMES[name]: given[name] for name in BMC_NAMES if name in given}
        fields = {name: given[name] for name in ("name", "ip", "port", "description") if name in given}
        if bmc or fields or "status" not in given:
            nodes.update_backend(backend, actor=self.actor, bmc=bmc, **fields)
        if "status" in given:
            nodes.set_backend_status(backend, given["status"], actor=self.actor)
        return backend

    def _card(self, backend: Backend) -> dict[str, Any]:
        (card,) = cards.backend_cards(live_backends().filter(pk=backend.pk), self.showing)
        return card


def _named(given: dict[str, Any]) -> Backend:
    """Find the backend by its id; for reconnect also by the address of its BMC."""
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
    @writes(shapes.DeviceStatusChange, shapes.DeviceVerdicts)
    def update(self, _request: Request) -> Response:
        """Set the devices of a backend, or one of them, to SHUTDOWN, IDLE or BUSY."""
        given = self.given(shapes.DeviceStatusChange)
        verdicts = scheduling.set_device_status(**given, actor=self.actor)
        devices = [{"index": index, "result": result} for index, result in sorted(verdicts.items())]
        return success({"id": given["backend"].pk, "devices": devices})


@extend_schema(tags=["backend"])
class GroupView(OperatorView):
    queryset = live_backend_groups()
    filterset_class = GroupFilter

    @reads(shapes.BackendGroupSerializer)
    def list(self, _request: Request) -> Response:
        """List backend groups."""
        return self.listed(cards.group_cards(self.page(live_backend_groups()), self.showing))

    @writes(shapes.NewBackendGroup, shapes.BackendGroupSerializer)
    def create(self, _request: Request) -> Response:
        """Make a backend group."""
        return success(
            group_card(groups.create_backend_group(**self.given(shapes.NewBackendGroup), actor=self.actor), self)
        )

    @writes(shapes.BackendGroupChange, shapes.BackendGroupSerializer)
    def update(self, _request: Request) -> Response:
        """Change a backend group, or exactly which backends are in it."""
        given = self.given(shapes.BackendGroupChange)
        return success(group_card(groups.update_backend_group(**given, actor=self.actor), self))

    @writes(shapes.OneBackendGroup)
    def destroy(self, _request: Request) -> Response:
        """Delete a backend group; with `force` its backends go to the default group."""
        delete_backend_group(**self.given(shapes.OneBackendGroup), actor=self.actor)
        return success()


@extend_schema(tags=["backend"])
class GroupingView(OperatorView):
    @writes(shapes.BackendGrouping, shapes.BackendGroupSerializer)
    def create(self, _request: Request) -> Response:
        """Put a backend of the default group into a group."""
        given = self.given(shapes.BackendGrouping)
        return self._moved(given["backend"], given["group"], come_from=[DEFAULT_GROUP])

    @writes(shapes.BackendGrouping, shapes.BackendGroupSerializer)
    def update(self, _request: Request) -> Response:
        """Move a backend to another group."""
        given = self.given(shapes.BackendGrouping)
        return self._moved(given["backend"], given["group"])

    @writes(shapes.BackendGrouping, shapes.BackendGroupSerializer)
    def destroy(self, _request: Request) -> Response:
        """Send a backend back to the default group."""
        given = self.given(shapes.BackendGrouping)
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
    """Shape one backend group as the view's caller may see it."""
    (card,) = cards.group_cards(live_backend_groups().filter(pk=group.pk), view.showing)
    return card
