"""The view of values of devices over hours and days."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import OperatorView
from backends.choices import MAX_DEVICES
from backends.models import Device
from backends.queries import live_backends
from backends.queries.device_history import History, HistorySource
from backends.telemetry_history.shapes import RANGES
from core.api.parameters import Parameters, Reference, Whole, Word
from core.api.schema import reads
from core.api.shapes import Card
from core.api.times import At, iso
from core.clock import from_ms
from scheduler.queries.device_history import history_of_job, history_of_node
from scheduler.queries.jobs import jobs

DEFAULT = "24h"


class DeviceHistoryQuery(Parameters):
    """Whose values are asked for, and of which time."""

    backend = Reference(live_backends, required=False)
    device = Whole(max_value=MAX_DEVICES - 1, required=False)
    job = Reference(jobs, required=False)
    range = Word(choices=list(RANGES), required=False)

    def validate(self, attrs: Any) -> Any:
        """Require a backend or a job. Raises ValidationError."""
        if ("backend" in attrs) == ("job" in attrs):
            raise serializers.ValidationError({"backend": [_("Name either a backend or a job.")]})
        if "device" in attrs and "backend" not in attrs:
            raise serializers.ValidationError(
                {"device": [_("A device belongs to a backend, which must be named too.")]}
            )
        return attrs


class DeviceHistorySerializer(serializers.Serializer[Any]):
    """Means of the values of a device at equal distances of time."""

    backendId = serializers.CharField()
    device = serializers.IntegerField()
    deviceName = serializers.CharField()
    source = serializers.ChoiceField([HistorySource.PROMETHEUS.value, HistorySource.CACHE.value])  # type: ignore[assignment]
    firstAt = At()
    step = serializers.IntegerField()
    temperature = serializers.ListField(child=serializers.FloatField(allow_null=True))
    utilization = serializers.ListField(child=serializers.FloatField(allow_null=True))
    usedMemory = serializers.ListField(child=serializers.FloatField(allow_null=True))
    power = serializers.ListField(child=serializers.FloatField(allow_null=True))


@extend_schema(tags=["backend"])
class DeviceHistoryView(OperatorView):
    """Values of devices over hours and days."""

    queryset = Device.objects.none()
    only_rows = False

    @reads(DeviceHistorySerializer, DeviceHistoryQuery, refuses=(404, 502))
    def list(self, _request: Request) -> Response:
        """List the devices of a backend or a job with their values over a time; devices without any are absent."""
        given = self.given(DeviceHistoryQuery)
        if "job" in given:
            found = history_of_job(given["job"], given.get("range"))
        else:
            found = history_of_node(given["backend"], given.get("range", DEFAULT), given.get("device"))
        return self.listed(self.cut(_cards(found)))


def _cards(history: History) -> list[Card]:
    first = iso(from_ms(history.grid.times[0] * 1000))
    return [
        {
            "backendId": str(one.node.pk),
            "device": one.index,
            "deviceName": f"{one.node.name}/{one.index:02}",
            "source": history.source.value,
            "firstAt": first,
            "step": history.grid.step,
            "temperature": one.values["temperature"],
            "utilization": one.values["utilization"],
            "usedMemory": one.values["used_memory"],
            "power": one.values["power"],
        }
        for one in history.devices
    ]
