from typing import Any

from rest_framework import serializers

from backends.choices import BackendStatus, BackendType, DeviceStatus, PowerVerb, SchedulingPolicy
from backends.models.nodes import MAX_DEVICES
from backends.queries import live_backend_groups, live_backends
from moreh_cloud.lib.api.parameters import Name, Parameters, Reference, References, Text, Whole, Word
from moreh_cloud.lib.api.times import At
from tokens.api.serializers import PlainToken

UPDATE = "update"
COMMANDS = [UPDATE, *PowerVerb.values]
SETTABLE = [DeviceStatus.SHUTDOWN.value, DeviceStatus.IDLE.value, DeviceStatus.BUSY.value]
MAX_WAIT = 25  # seconds; shorter than the time after which a web worker is given up


class Device(serializers.Serializer[Any]):
    """One GPU of a backend; the last four while a job or a reservation holds it."""

    id = serializers.IntegerField()
    index = serializers.IntegerField()
    name = serializers.CharField()
    backendId = serializers.CharField()
    status = serializers.ChoiceField(DeviceStatus.choices)
    reason = serializers.CharField()
    drainTo = serializers.CharField()
    model = serializers.CharField()
    totalMemory = serializers.IntegerField(help_text="MiB")
    usedMemory = serializers.IntegerField(allow_null=True, help_text="MiB")
    temperature = serializers.FloatField(allow_null=True, help_text="°C")
    memoryTemperature = serializers.FloatField(allow_null=True, help_text="°C")
    utilization = serializers.FloatField(allow_null=True, help_text="%")
    memoryUtilization = serializers.FloatField(allow_null=True, help_text="%")
    power = serializers.FloatField(allow_null=True, help_text="W")
    jobId = serializers.IntegerField(allow_null=True)
    sdaId = serializers.IntegerField(allow_null=True)
    token = serializers.CharField(allow_null=True)
    processName = serializers.CharField(allow_null=True)


class Ipmi(serializers.Serializer[Any]):
    """What was last seen of a BMC: -1 unknown, 0 off, 1 on."""

    ip = serializers.CharField()
    status = serializers.IntegerField(min_value=-1, max_value=1)
    target = serializers.IntegerField(min_value=-1, max_value=1, allow_null=True)
    checkedAt = At(allow_null=True)


class GroupOfBackend(serializers.Serializer[Any]):
    """A backend group inside a backend; `tokenlist` only where the answer is about one object or asked for."""

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
    agentKey = serializers.CharField(required=False, help_text="Only when it was just made.")


class NamedBackend(serializers.Serializer[Any]):
    """A backend inside a group."""

    id = serializers.IntegerField()
    name = serializers.CharField()


class BackendGroupSerializer(GroupOfBackend):
    """A set of backends, and how its queue is served."""

    tokenlist = PlainToken(many=True)
    backends = NamedBackend(many=True)
    policy = serializers.ChoiceField(SchedulingPolicy.choices)
    guardSeconds = serializers.IntegerField(help_text="seconds")
    preempt = serializers.BooleanField()
    minRunSeconds = serializers.IntegerField(help_text="seconds")
    noticeSeconds = serializers.IntegerField(help_text="seconds")
    draining = serializers.BooleanField()


class PowerActionSerializer(serializers.Serializer[Any]):
    """A power action: its number, and how far it is."""

    id = serializers.IntegerField()
    command = serializers.CharField()
    state = serializers.CharField()


class DeviceVerdict(serializers.Serializer[Any]):
    """What became of the wish for one device."""

    index = serializers.IntegerField()
    result = serializers.ChoiceField(["changed", "draining"])


class DeviceVerdicts(serializers.Serializer[Any]):
    """What became of the wish for the devices of a backend."""

    id = serializers.IntegerField()
    devices = DeviceVerdict(many=True)


class NewBackend(Parameters):
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
    description = Text(allow_blank=True, required=False)


class BackendCommand(Parameters):
    command = Word(COMMANDS)
    id = Reference(live_backends, required=False, source="backend")
    node = serializers.IPAddressField(required=False)
    label: Any = Name(required=False, source="name")
    workerip = serializers.IPAddressField(required=False, source="ip")
    port = Whole(min_value=1, max_value=65_535, required=False)
    bmcPort = Whole(min_value=1, max_value=65_535, required=False, source="bmc_port")
    description = Text(allow_blank=True, required=False)
    status = Word(BackendStatus.choices, required=False)
    user = Text(allow_blank=True, required=False)
    pwd = Text(allow_blank=True, trim_whitespace=False, required=False, source="password")
    force = serializers.BooleanField(default=False)
    wait = Whole(max_value=MAX_WAIT, default=0, help_text="Seconds to wait for the end of a power action.")


class OneBackend(Parameters):
    id = Reference(live_backends, source="backend")
    force = serializers.BooleanField(default=False)


class SchedulingRules(Parameters):
    policy = Word(SchedulingPolicy.choices, required=False)
    guardSeconds = Whole(required=False, source="guard_s")
    preempt = serializers.BooleanField(required=False)
    minRunSeconds = Whole(required=False, source="min_run_s")
    noticeSeconds = Whole(required=False, source="notice_s")
    draining = serializers.BooleanField(required=False)


class NewBackendGroup(SchedulingRules):
    label: Any = Name(required=False, source="name")
    group = Name(required=False, help_text="Another name of `label`.")
    description = Text(required=False, allow_blank=True)
    combine = serializers.BooleanField(required=False)
    backends = References(live_backends, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take the alias for the label."""
        alias = attrs.pop("group", None)
        if not (name := attrs.get("name", alias)):
            raise serializers.ValidationError({"label": [self.fields["label"].error_messages["required"]]})
        return {**attrs, "name": name}


class BackendGroupChange(SchedulingRules):
    id = Reference(live_backend_groups, source="group")
    label: Any = Name(required=False, source="name")
    description = Text(required=False, allow_blank=True)
    index = Whole(required=False, min_value=-(2**31))
    combine = serializers.BooleanField(required=False)
    backends = References(live_backends, required=False)


class OneBackendGroup(Parameters):
    id = Reference(live_backend_groups, source="group")
    force = serializers.BooleanField(default=False)


class DeviceStatusChange(Parameters):
    id = Reference(live_backends, source="backend")
    status = Word(SETTABLE)
    device = Whole(required=False, max_value=MAX_DEVICES - 1, source="index")
    force = serializers.BooleanField(default=False)


class BackendGrouping(Parameters):
    group = Reference(live_backend_groups)
    backend = Reference(live_backends)
