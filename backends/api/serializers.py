"""The parameters and responses of REST."""

from typing import Any

from rest_framework import serializers

from backends.choices import (
    MAX_DEVICES,
    MAX_UNIT,
    BackendStatus,
    BackendType,
    DeviceStatus,
    PowerVerb,
    Verdict,
)
from backends.power.certificate import LONGEST
from backends.power.drivers import titles
from backends.queries import live_backend_groups, live_backends
from backends.queries.waiting import TEXTS
from core.api.parameters import Name, Parameters, Reference, Text, Whole, Word
from core.api.times import At
from inventory.api.shapes import CustomFields, CustomFieldsParameter, TagsParameter
from tokens.api.serializers import PlainToken

UPDATE, CANCEL = "update", "cancel"
COMMANDS = [UPDATE, *PowerVerb.values, CANCEL]
SETTABLE = [DeviceStatus.SHUTDOWN.value, DeviceStatus.IDLE.value, DeviceStatus.BUSY.value]
MAX_DRAIN = 30 * 86_400  # seconds
MAX_WAIT = 25  # seconds; shorter than the time after which a web worker is given up


class Device(serializers.Serializer[Any]):
    """One GPU of a backend; the last four fields are set while a job or a reservation holds it."""

    id = serializers.IntegerField()
    index = serializers.IntegerField()
    name = serializers.CharField()
    backendId = serializers.CharField()
    status = serializers.ChoiceField(DeviceStatus.choices)
    reason = serializers.CharField()
    drainTo = serializers.CharField()
    model = serializers.CharField()
    totalMemory = serializers.IntegerField(help_text="MiB; 0 until an agent has reported it.")
    usedMemory = serializers.IntegerField(allow_null=True, help_text="MiB")
    temperature = serializers.FloatField(allow_null=True, help_text="°C")
    memoryTemperature = serializers.FloatField(allow_null=True, help_text="°C")
    utilization = serializers.FloatField(allow_null=True, help_text="%")
    memoryUtilization = serializers.FloatField(allow_null=True, help_text="%")
    power = serializers.FloatField(allow_null=True, help_text="W")
    measuredAt = At(allow_null=True)
    verdict = serializers.ChoiceField(Verdict.choices)
    verdictAt = At(allow_null=True)
    checkedAt = At(allow_null=True)
    uuid = serializers.CharField()
    serial = serializers.CharField()
    pciAddress = serializers.CharField()
    driverVersion = serializers.CharField()
    firmwareVersion = serializers.CharField()
    jobId = serializers.IntegerField(allow_null=True)
    sdaId = serializers.IntegerField(allow_null=True)
    token = serializers.CharField(allow_null=True)
    processName = serializers.CharField(allow_null=True)


class Ipmi(serializers.Serializer[Any]):
    """What a BMC last reported: -1 unknown, 0 off, 1 on."""

    ip = serializers.CharField()
    driver = serializers.ChoiceField(titles())
    status = serializers.IntegerField(min_value=-1, max_value=1)
    target = serializers.IntegerField(min_value=-1, max_value=1, allow_null=True)
    checkedAt = At(allow_null=True)


class GroupOfBackend(serializers.Serializer[Any]):
    """A backend group inside a backend; `tokenlist` only for one object or if the list is requested."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    index = serializers.IntegerField()
    combine = serializers.BooleanField()
    tokenlist = PlainToken(many=True, required=False)


class BackendSerializer(serializers.Serializer[Any]):
    """A GPU node."""

    id = serializers.IntegerField()
    type = serializers.ChoiceField(BackendType.choices)
    ip = serializers.CharField()
    port = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    status = serializers.ChoiceField(BackendStatus.choices)
    reason = serializers.CharField()
    lastSeen = At(allow_null=True)
    agentVersion = serializers.CharField()
    devices = Device(many=True)
    group = GroupOfBackend()
    ipmi = Ipmi()
    rack = serializers.CharField()
    unit = serializers.IntegerField(allow_null=True)
    serial = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    customFields = CustomFields()
    agentKey = serializers.CharField(required=False, help_text="Only when it was just made.")


class NamedBackend(serializers.Serializer[Any]):
    """A backend inside a group."""

    id = serializers.IntegerField()
    name = serializers.CharField()


class PowerActionSerializer(serializers.Serializer[Any]):
    """A power action and its state."""

    id = serializers.IntegerField()
    command = serializers.CharField()
    state = serializers.CharField()
    waitsFor = serializers.ChoiceField([(code, code) for code in TEXTS], allow_null=True)
    waitsUntil = At(allow_null=True)


class DeviceVerdict(serializers.Serializer[Any]):
    """The result for one device."""

    index = serializers.IntegerField()
    result = serializers.ChoiceField(["changed", "unchanged", "draining"])


class DeviceVerdicts(serializers.Serializer[Any]):
    """The results for the devices of a backend."""

    id = serializers.IntegerField()
    devices = DeviceVerdict(many=True)


class Inventory(Parameters):
    """Where a backend stands, and what operators add to it."""

    rack = Text(max_length=64, allow_blank=True, required=False)
    unit = Whole(min_value=1, max_value=MAX_UNIT, allow_null=True, required=False)
    serial = Text(max_length=64, allow_blank=True, required=False)
    tags = TagsParameter()
    customFields = CustomFieldsParameter()


class NewBackend(Inventory):
    """A new backend."""

    node = serializers.IPAddressField(source="bmc_ip")
    label: Any = Name(source="name")
    group = Reference(live_backend_groups)
    workerip = serializers.IPAddressField(source="ip")
    type = Word(BackendType.choices, required=False)
    port = Whole(min_value=1, max_value=65_535, required=False)
    devices = Whole(max_value=MAX_DEVICES, required=False)
    deviceModel = Text(max_length=64, allow_blank=True, required=False, source="device_model")
    user = Text(allow_blank=True, required=False, source="bmc_user")
    pwd = Text(allow_blank=True, trim_whitespace=False, required=False, source="bmc_password")
    bmcPort = Whole(min_value=1, max_value=65_535, required=False, source="bmc_port")
    bmcDriver = Word(titles(), required=False, source="bmc_driver")
    bmcCertificate = Text(lines=True, max_length=LONGEST, allow_blank=True, required=False, source="bmc_certificate")
    description = Text(allow_blank=True, required=False)


class BackendCommand(Inventory):
    """A change of a backend, or a command for its BMC."""

    command = Word(COMMANDS)
    id = Reference(live_backends, required=False, source="backend")
    node = serializers.IPAddressField(required=False)
    label: Any = Name(required=False, source="name")
    workerip = serializers.IPAddressField(required=False, source="ip")
    port = Whole(min_value=1, max_value=65_535, required=False)
    bmcPort = Whole(min_value=1, max_value=65_535, required=False, source="bmc_port")
    bmcDriver = Word(titles(), required=False, source="bmc_driver")
    bmcCertificate = Text(lines=True, max_length=LONGEST, allow_blank=True, required=False, source="bmc_certificate")
    description = Text(allow_blank=True, required=False)
    status = Word(BackendStatus.choices, required=False)
    user = Text(allow_blank=True, required=False)
    pwd = Text(allow_blank=True, trim_whitespace=False, required=False, source="password")
    force = serializers.BooleanField(default=False)
    drain = Whole(min_value=1, max_value=MAX_DRAIN, required=False, help_text="Seconds.")
    drainForce = serializers.BooleanField(default=False, source="drain_force")
    wait = Whole(max_value=MAX_WAIT, default=0, help_text="Seconds to wait for the end of a power action.")


class OneBackend(Parameters):
    """The backend to delete."""

    id = Reference(live_backends, source="backend")
    force = serializers.BooleanField(default=False)


class DeviceStatusChange(Parameters):
    """A new status for the devices of a backend."""

    id = Reference(live_backends, source="backend")
    status = Word(SETTABLE)
    device = Whole(required=False, max_value=MAX_DEVICES - 1, source="index")
    force = serializers.BooleanField(default=False)
