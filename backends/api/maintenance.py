"""Maintenance windows in REST."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import OperatorView
from backends.api.serializers import NamedBackend
from backends.choices import MaintenanceState
from backends.models import MaintenanceNode, MaintenanceWindow
from backends.queries import live_backend_groups, live_backends
from backends.queries.maintenance import windows, with_node
from backends.services.maintenance import change_window, create_window, end_window
from core.api.filters import LatestFirst, Ordering, TimeFilter, WholeFilter, WordFilter, WordsFilter, keep
from core.api.parameters import Name, Parameters, Reference, References, Several, Text, missing
from core.api.schema import reads, writes
from core.api.shapes import Card
from core.api.times import At, iso
from core.api.views import success
from inventory.queries import all_tags, tag_key
from scheduler.estimates.holdings import EndBasis, Holding, held_on

WINDOW = ("pk", "starts_at", "ends_at", "reason", "state", "actor", "created_at", "began_at", "ended_at", "node_count")
BACKENDS = [("backends", _("the backends of each window"))]


class MaintenanceNodeSerializer(NamedBackend):
    """A backend of a maintenance window."""

    drained = serializers.BooleanField()
    leftAt = At(allow_null=True)


class MaintenanceSerializer(serializers.Serializer[Any]):
    """A maintenance window."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(MaintenanceState.choices)
    reason = serializers.CharField()
    createdBy = serializers.CharField()
    createdAt = At()
    beganAt = At(allow_null=True)
    endedAt = At(allow_null=True)
    backendCount = serializers.IntegerField()
    backends = MaintenanceNodeSerializer(many=True, required=False)

    def get_fields(self) -> dict[str, Any]:
        """Add the fields that are no names in Python."""
        fields = super().get_fields()
        times = {"from": At(), "to": At()}
        return {"id": fields.pop("id"), **times, **fields}


class HoldingSerializer(serializers.Serializer[Any]):
    """A job, or a reserved SDA without one, on a backend of a maintenance window."""

    jobId = serializers.IntegerField(allow_null=True)
    sdaId = serializers.IntegerField()
    owner = serializers.CharField()
    deviceCount = serializers.IntegerField()
    expectedEnd = At(allow_null=True)
    expectedEndBasis = serializers.ChoiceField([(one.value, one.value) for one in EndBasis], allow_null=True)
    overlaps = serializers.BooleanField()


class MaintenanceTimes(Parameters):
    """When a window begins and ends, and why."""

    def get_fields(self) -> dict[str, Any]:
        """Add the parameters that are no names in Python."""
        needed = isinstance(self, NewMaintenance)
        times = {
            "from": At(required=False, source="starts_at"),
            "to": At(required=needed, source="ends_at"),
        }
        return {**super().get_fields(), **times}


class NewMaintenance(MaintenanceTimes):
    """A new maintenance window, and how its backends are chosen."""

    backends = References(live_backends, required=False)
    names = Several(child=Name(), required=False)
    tags = Several(child=Name(), required=False)
    racks = Several(child=Name(), required=False)
    group = Reference(live_backend_groups, required=False)
    reason = Text()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Find the backends, by id, name, tag, rack and group together. Raises NotFound."""
        ids = {backend.pk for backend in attrs.pop("backends", ())}
        if (group := attrs.pop("group", None)) is not None:
            ids |= set(live_backends().filter(group=group).values_list("pk", flat=True))
        nodes, tags = live_backends(), {tag_key(name): name for name in attrs.pop("tags", ())}
        ids |= _with("names", {name: name for name in attrs.pop("names", ())}, nodes, "name")
        ids |= _with("racks", {rack: rack for rack in attrs.pop("racks", ())}, nodes, "rack")
        ids |= _with("tags", tags, all_tags(), "key", "backends")
        return {**attrs, "backend_ids": set(nodes.filter(pk__in=ids).values_list("pk", flat=True))}


def _with(parameter: str, words: dict[str, str], rows: QuerySet[Any], column: str, backend: str = "pk") -> set[int]:
    """Return the backends of the rows with one of some words in a column. Raises NotFound for words that no row has."""
    found = list(rows.filter(**{f"{column}__in": words}).values_list(column, backend)) if words else []
    if unknown := sorted(words.keys() - {word for word, _id in found}):
        raise missing(parameter, [words[word] for word in unknown])
    return {pk for _word, pk in found if pk is not None}


class MaintenanceChange(MaintenanceTimes):
    """A change of a maintenance window."""

    id = Reference(MaintenanceWindow.objects.all, source="window")
    reason = Text(required=False)


class OneMaintenance(Parameters):
    """The maintenance window to cancel, or to end early."""

    id = Reference(MaintenanceWindow.objects.all, source="window")


class MaintenanceFilter(filters.FilterSet):
    """The parameters of the list of maintenance windows."""

    id = WholeFilter()
    state = WordsFilter(choices=MaintenanceState.choices)
    backend = WholeFilter(method="of_backend")
    group = WholeFilter(method="of_group")
    expand = WordFilter(choices=BACKENDS, method=keep)
    ordering = Ordering(fields=(("pk", "id"), ("starts_at", "from"), ("ends_at", "to")), label="ordering")

    def of_backend(self, rows: QuerySet[MaintenanceWindow], _name: str, value: int) -> QuerySet[MaintenanceWindow]:
        """Keep the windows of a backend."""
        return with_node(rows, Q(backend=value))

    def of_group(self, rows: QuerySet[MaintenanceWindow], _name: str, value: int) -> QuerySet[MaintenanceWindow]:
        """Keep the windows with backends of a group."""
        return with_node(rows, Q(backend__group=value))

    @classmethod
    def get_filters(cls) -> Any:
        """Add the parameters that are no names in Python: windows that last at some time between them."""
        return {**super().get_filters(), "from": TimeFilter("ends_at", "gt"), "to": TimeFilter("starts_at", "lt")}


class MaintenancePages(LatestFirst):
    """The newest first."""


@extend_schema(tags=["backend"])
class MaintenanceView(OperatorView):
    """Maintenance windows."""

    queryset = windows()
    filterset_class = MaintenanceFilter
    pagination_class = MaintenancePages

    @reads(MaintenanceSerializer)
    def list(self, _request: Request) -> Response:
        """List maintenance windows, the newest first."""
        asked = self.asked
        expanded = bool(asked.get("id")) or str(asked.get("expand", "")).lower() == "backends"
        return self.listed(window_cards(self.page(windows()), expanded=expanded))

    @writes(NewMaintenance, MaintenanceSerializer)
    def create(self, _request: Request) -> Response:
        """Plan maintenance of some backends; without `from` it begins at once."""
        given = {"starts_at": None, **self.given(NewMaintenance)}
        return success(window_card(create_window(**given, actor=self.actor)))

    @writes(MaintenanceChange, MaintenanceSerializer)
    def update(self, _request: Request) -> Response:
        """Change when a window begins or ends, or its reason."""
        return success(window_card(change_window(**self.given(MaintenanceChange), actor=self.actor)))

    @writes(OneMaintenance, MaintenanceSerializer)
    def destroy(self, _request: Request) -> Response:
        """Cancel a window, or end it early if it has begun."""
        return success(window_card(end_window(**self.given(OneMaintenance), actor=self.actor)))


class Holdings(Parameters):
    """The window that is asked about."""

    id = Reference(MaintenanceWindow.objects.all, source="window")


@extend_schema(tags=["backend"])
class MaintenanceHoldingView(OperatorView):
    """Who is on the backends of a maintenance window."""

    queryset = MaintenanceNode.objects.none()

    @reads(HoldingSerializer, Holdings, refuses=(404,))
    def list(self, _request: Request) -> Response:
        """List the jobs and reserved SDAs on the backends of a window, with their expected ends."""
        window = self.given(Holdings)["window"]
        nodes = window.nodes.filter(left_at__isnull=True).values_list("backend_id", flat=True)
        return self.listed(self.cut([_holding_card(one, window) for one in held_on(list(nodes))]))


def window_card(window: MaintenanceWindow) -> Card:
    """Return one window with its backends."""
    (card,) = window_cards(windows().filter(pk=window.pk), expanded=True)
    return card


def window_cards(rows: QuerySet[MaintenanceWindow], *, expanded: bool = False) -> list[Card]:
    """Return windows in one query; with their backends (`expanded`) in two."""
    cards = [_window_card(row) for row in rows.values_list(*WINDOW)]
    if expanded:
        nodes = _nodes_of(card["id"] for card in cards)
        for card in cards:
            card["backends"] = nodes.get(card["id"], [])
    return cards


def _window_card(row: tuple[Any, ...]) -> Card:
    pk, starts_at, ends_at, reason, state, actor, created_at, began_at, ended_at, count = row
    return {
        "id": pk,
        "from": iso(starts_at),
        "to": iso(ends_at),
        "reason": reason,
        "state": state,
        "createdBy": actor,
        "createdAt": iso(created_at),
        "beganAt": iso(began_at),
        "endedAt": iso(ended_at),
        "backendCount": count,
    }


def _nodes_of(window_ids: Iterable[int]) -> dict[int, list[Card]]:
    found: dict[int, list[Card]] = {}
    rows = MaintenanceNode.objects.filter(window__in=list(window_ids)).order_by("backend__name", "pk")
    for window, pk, name, drained, left_at in rows.values_list(
        "window_id", "backend_id", "backend__name", "drained", "left_at"
    ):
        is_drained = drained is not None and left_at is None
        found.setdefault(window, []).append({"id": pk, "name": name, "drained": is_drained, "leftAt": iso(left_at)})
    return found


def _holding_card(one: Holding, window: MaintenanceWindow) -> Card:
    return {
        "jobId": one.job,
        "sdaId": one.sda,
        "owner": one.owner,
        "deviceCount": one.devices,
        "expectedEnd": iso(one.ends_at),
        "expectedEndBasis": one.basis,
        "overlaps": one.overlaps(window.starts_at),
    }
