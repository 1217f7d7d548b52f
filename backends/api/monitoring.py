"""The views of what BMCs monitor: latest sensor values, and the entries of their event logs."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import OperatorView
from backends.choices import SensorState, SensorUnit
from backends.models import BmcLogEntry, Sensor
from core.api.filters import LatestFirst, TextFilter, WholeFilter, WordFilter
from core.api.schema import reads
from core.api.times import At, iso
from core.clock import from_ms

SENSOR = ("name", "unit", "value", "state")
LIMITS = ("lower_critical", "lower_warning", "upper_warning", "upper_critical")


class SensorSerializer(serializers.Serializer[Any]):
    """The latest reading of a sensor of a BMC."""

    id = serializers.IntegerField()
    backendId = serializers.CharField()
    backendName = serializers.CharField()
    name = serializers.CharField()
    unit = serializers.ChoiceField(SensorUnit.choices)
    value = serializers.FloatField(allow_null=True)
    state = serializers.ChoiceField(SensorState.choices)
    lowerCritical = serializers.FloatField(allow_null=True)
    lowerWarning = serializers.FloatField(allow_null=True)
    upperWarning = serializers.FloatField(allow_null=True)
    upperCritical = serializers.FloatField(allow_null=True)
    readAt = At()


class LogEntrySerializer(serializers.Serializer[Any]):
    """An entry of the event log of a BMC."""

    id = serializers.IntegerField()
    backendId = serializers.CharField()
    backendName = serializers.CharField()
    record = serializers.CharField()
    time = At(allow_null=True)
    sensor = serializers.CharField()
    severity = serializers.ChoiceField(SensorState.choices)
    message = serializers.CharField()
    storedAt = At()


class SensorFilter(filters.FilterSet):
    """The parameters of the list of sensors."""

    id = WholeFilter()
    backend = WholeFilter("backend")
    name = TextFilter()
    state = WordFilter(choices=SensorState.choices)


class LogEntryFilter(filters.FilterSet):
    """The parameters of the list of log entries."""

    id = WholeFilter()
    backend = WholeFilter("backend")
    sensor = TextFilter()
    severity = WordFilter(choices=SensorState.choices)


@extend_schema(tags=["backend"])
class SensorView(OperatorView):
    """The latest sensor values of BMCs."""

    queryset = Sensor.objects.filter(backend__deleted_at=None).order_by("-pk")
    filterset_class = SensorFilter
    pagination_class = LatestFirst

    @reads(SensorSerializer)
    def list(self, _request: Request) -> Response:
        """List sensors of BMCs with their latest values and limits."""
        return self.listed(sensor_cards(self.page(self.queryset.all())))


@extend_schema(tags=["backend"])
class LogView(OperatorView):
    """The event logs of BMCs."""

    queryset = BmcLogEntry.objects.filter(backend__deleted_at=None).order_by("-pk")
    filterset_class = LogEntryFilter
    pagination_class = LatestFirst

    @reads(LogEntrySerializer)
    def list(self, _request: Request) -> Response:
        """List stored entries of the event logs (SEL) of BMCs, those stored last first."""
        return self.listed(log_cards(self.page(self.queryset.all())))


def sensor_cards(sensors: QuerySet[Sensor]) -> list[dict[str, Any]]:
    """Return sensors as dictionaries, in one query."""
    rows = sensors.values_list("pk", "backend_id", "backend__name", *SENSOR, "read_at", *LIMITS)
    return [
        {
            "id": pk,
            "backendId": str(backend),
            "backendName": backend_name,
            "name": name,
            "unit": unit,
            "value": value,
            "state": state,
            "lowerCritical": limits[0],
            "lowerWarning": limits[1],
            "upperWarning": limits[2],
            "upperCritical": limits[3],
            "readAt": iso(read_at),
        }
        for pk, backend, backend_name, name, unit, value, state, read_at, *limits in rows
    ]


def log_cards(entries: QuerySet[BmcLogEntry]) -> list[dict[str, Any]]:
    """Return log entries as dictionaries, in one query."""
    names = ("record", "time_ms", "sensor", "severity", "message", "stored_at")
    return [
        {
            "id": pk,
            "backendId": str(backend),
            "backendName": backend_name,
            "record": record,
            "time": iso(from_ms(time_ms)) if time_ms else None,
            "sensor": sensor,
            "severity": severity,
            "message": message,
            "storedAt": iso(stored_at),
        }
        for pk, backend, backend_name, record, time_ms, sensor, severity, message, stored_at in entries.values_list(
            "pk", "backend_id", "backend__name", *names
        )
    ]
