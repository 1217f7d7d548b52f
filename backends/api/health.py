"""The health of devices in REST: findings, the end of a verdict, and former cards."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import OperatorView
from alerts.choices import Level
from backends.api import cards
from backends.api import serializers as shapes
from backends.choices import MAX_DEVICES, Verdict
from backends.health.findings import CODES, kind_of
from backends.models import Device, Finding, FormerCard
from backends.queries import live_backends
from backends.queries.health import former_cards, live_findings
from backends.services.verdicts import LONGEST_REASON, clear_verdict
from core.api.filters import Ordering, WholeFilter, WordFilter
from core.api.parameters import Parameters, Reference, Text, Whole
from core.api.schema import reads, writes
from core.api.shapes import Card
from core.api.times import At, iso
from core.api.views import success
from core.errors import NotFound
from scheduler.services.checks import check_device
from scheduler.services.nodes import check_backend

HOLDS = [("true", "true"), ("false", "false")]
FINDING = (
    *("pk", "device__backend_id", "device__index", "device__backend__name", "code", "number", "count", "text"),
    *("first_at", "last_at", "ended_at", "cleared_at"),
)
FORMER = (
    *("pk", "device__backend_id", "device__index", "device__backend__name", "model", "verdict"),
    *("uuid", "serial", "pci_address", "driver_version", "firmware_version", "since", "until"),
)


class FindingSerializer(serializers.Serializer[Any]):
    """Something that is, or was, wrong with a device."""

    id = serializers.IntegerField()
    backendId = serializers.CharField()
    device = serializers.IntegerField()
    deviceName = serializers.CharField()
    code = serializers.CharField()
    number = serializers.IntegerField()
    count = serializers.IntegerField()
    evidence = serializers.CharField()
    severity = serializers.ChoiceField(Level.choices)
    leadsTo = serializers.ChoiceField(Verdict.choices)
    meaning = serializers.CharField()
    firstAt = At()
    lastAt = At()
    endedAt = At(allow_null=True)
    clearedAt = At(allow_null=True)


class FormerCardSerializer(serializers.Serializer[Any]):
    """A card that was in a device's place until another one was found there."""

    id = serializers.IntegerField()
    backendId = serializers.CharField()
    device = serializers.IntegerField()
    deviceName = serializers.CharField()
    model = serializers.CharField()
    verdict = serializers.CharField()
    uuid = serializers.CharField()
    serial = serializers.CharField()
    pciAddress = serializers.CharField()
    driverVersion = serializers.CharField()
    firmwareVersion = serializers.CharField()
    since = At()
    until = At()


class ClearedVerdict(Parameters):
    """The device whose verdict ends, and why."""

    id = Reference(live_backends, source="backend")
    device = Whole(max_value=MAX_DEVICES - 1, source="index")
    reason = Text(max_length=LONGEST_REASON)


class WantedCheck(Parameters):
    """What is to be checked: a device, or its node as a whole."""

    id = Reference(live_backends, source="backend")
    device = Whole(max_value=MAX_DEVICES - 1, source="index", required=False)


class OrderedCheckSerializer(serializers.Serializer[Any]):
    """Whether a check was ordered by this."""

    ordered = serializers.BooleanField()


class FindingFilter(filters.FilterSet):
    """The parameters of the list of findings."""

    backend = WholeFilter("device__backend")
    device = WholeFilter("device__index")
    code = WordFilter(choices=[(code, code) for code in CODES])
    holds = WordFilter(choices=HOLDS, method="only")
    ordering = Ordering(fields=(("pk", "id"), ("last_at", "lastAt")), label="ordering")

    def only(self, rows: QuerySet[Finding], _name: str, value: str) -> QuerySet[Finding]:
        """Keep the findings that hold, or those that have ended."""
        return rows.filter(ended_at__isnull=value == "true")


class FormerCardFilter(filters.FilterSet):
    """The parameters of the list of former cards."""

    backend = WholeFilter("device__backend")
    device = WholeFilter("device__index")
    ordering = Ordering(fields=(("pk", "id"), ("until", "until")), label="ordering")


@extend_schema(tags=["backend"])
class FindingView(OperatorView):
    """What was found about devices."""

    queryset = live_findings()
    filterset_class = FindingFilter

    @reads(FindingSerializer)
    def list(self, _request: Request) -> Response:
        """List findings about devices, the newest first."""
        return self.listed(finding_cards(self.page(live_findings())))

    @writes(ClearedVerdict, shapes.Device)
    def update(self, _request: Request) -> Response:
        """Clear the verdict on a device: it is healthy again, and its findings count only when they become worse."""
        given = self.given(ClearedVerdict)
        device = _device(given)
        clear_verdict(device, reason=given["reason"], actor=self.actor)
        (card,) = cards.device_cards(Device.objects.filter(pk=device.pk), self.showing)
        return success(card)


@extend_schema(tags=["backend"])
class DeviceCheckView(OperatorView):
    """Health checks on request."""

    queryset = Device.objects.none()

    @writes(WantedCheck, OrderedCheckSerializer)
    def update(self, _request: Request) -> Response:
        """Order the agent to check a device that is not in use, or its node as a whole; once at a time."""
        given = self.given(WantedCheck)
        ordered = check_device(_device(given)) if "index" in given else check_backend(given["backend"])
        return success({"ordered": ordered})


def _device(given: Mapping[str, Any]) -> Device:
    """Return the device that parameters name. Raises NotFound."""
    device = Device.objects.filter(backend=given["backend"], index=given["index"]).first()
    if device is None:
        raise NotFound(id=given["backend"].pk, device=given["index"])
    return device


@extend_schema(tags=["backend"])
class FormerCardView(OperatorView):
    """Cards that were in devices' places."""

    queryset = former_cards()
    filterset_class = FormerCardFilter

    @reads(FormerCardSerializer)
    def list(self, _request: Request) -> Response:
        """List former cards, the last to leave first."""
        return self.listed(former_card_cards(self.page(former_cards())))


def finding_cards(findings: QuerySet[Finding]) -> list[Card]:
    """Return findings with their meanings, in one query."""
    return [_finding_card(row) for row in findings.values_list(*FINDING)]


def _finding_card(row: tuple[Any, ...]) -> Card:
    pk, backend_id, index, backend, code, number, count, text, *times = row
    kind = kind_of(code, number)
    return {
        "id": pk,
        "backendId": str(backend_id),
        "device": index,
        "deviceName": f"{backend}/{index:02}",
        "code": code,
        "number": number,
        "count": count,
        "evidence": text,
        "severity": kind.level,
        "leadsTo": kind.verdict,
        "meaning": str(kind.meaning),
        **dict(zip(("firstAt", "lastAt", "endedAt", "clearedAt"), map(iso, times), strict=True)),
    }


def former_card_cards(former: QuerySet[FormerCard]) -> list[Card]:
    """Return former cards, in one query."""
    names = ("model", "verdict", "uuid", "serial", "pciAddress", "driverVersion", "firmwareVersion")
    return [
        {
            "id": pk,
            "backendId": str(backend_id),
            "device": index,
            "deviceName": f"{backend}/{index:02}",
            **dict(zip(names, texts, strict=True)),
            "since": iso(since),
            "until": iso(until),
        }
        for pk, backend_id, index, backend, *texts, since, until in former.values_list(*FORMER)
    ]
