from typing import Any

from rest_framework import serializers

from moreh_cloud.lib.api.parameters import Parameters, Reference, Whole
from moreh_cloud.lib.api.times import At
from scheduler.choices import Cause, JobStatus
from scheduler.policy.forecast import Basis
from scheduler.policy.reasons import Reason
from scheduler.queries import jobs
from tokens.api.serializers import TokenSerializer
from tokens.choices import MAX_PRIORITY, MIN_PRIORITY

STATUSES = [status.capitalize() for status in JobStatus.values]


class Referer(serializers.Serializer[Any]):
    """Where a request came from."""

    protocol = serializers.CharField()
    ipAddress = serializers.CharField()


class JobInfoSerializer(serializers.Serializer[Any]):
    """A job; place, reasons and estimate while it waits."""

    id = serializers.IntegerField()
    token = TokenSerializer()
    sdaId = serializers.IntegerField()
    priority = serializers.IntegerField()
    status = serializers.ChoiceField(STATUSES)
    reason = serializers.ChoiceField(Cause.choices)
    detail = serializers.CharField()
    clientPid = serializers.IntegerField()
    processName = serializers.CharField()
    framework = serializers.CharField()
    version = serializers.CharField()
    requestTime = At()
    startTime = At(allow_null=True)
    endTime = At(allow_null=True)
    referer = Referer()
    deviceCount = serializers.IntegerField()
    deviceInfo = serializers.CharField(help_text="JSON")
    queuePosition = serializers.IntegerField(allow_null=True)
    pendingReason = serializers.CharField(allow_null=True)
    pendingCode = serializers.ChoiceField([reason.value for reason in Reason], allow_null=True)
    estimatedStart = At(allow_null=True)
    estimateBasis = serializers.ChoiceField([basis.value for basis in Basis], allow_null=True)
    timeLimit = serializers.IntegerField(allow_null=True, help_text="seconds")


class PriorityChange(Parameters):
    id = Reference(jobs, source="job")
    priority = Whole(min_value=MIN_PRIORITY, max_value=MAX_PRIORITY)


class Cancellation(Parameters):
    id = Reference(jobs, source="job")
    isWeb = serializers.BooleanField(default=False, help_text="An operator asks on the web.")
