from datetime import timedelta
from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from moreh_cloud.lib.api.parameters import MAX_ID, Parameters, Reference, Whole
from moreh_cloud.lib.api.times import At
from scheduler.choices import Cause, JobStatus
from scheduler.policy.forecast import Basis
from scheduler.policy.reasons import Reason
from scheduler.queries import jobs
from scheduler.services.jobs import LONGEST
from scheduler.trial import Remedy
from sda.queries import live_model_groups, live_models
from tokens.api.serializers import TokenReference, TokenSerializer
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


class RemedySerializer(serializers.Serializer[Any]):
    """What would, by itself, let the job start at once."""

    change = serializers.ChoiceField([remedy.value for remedy in Remedy])
    value = serializers.IntegerField()


@extend_schema_serializer(many=False)
class OutlookSerializer(serializers.Serializer[Any]):
    """What would become of a job if it were submitted now."""

    starts = serializers.BooleanField()
    deviceCount = serializers.IntegerField()
    priority = serializers.IntegerField()
    queuePosition = serializers.IntegerField()
    pendingReason = serializers.CharField(allow_null=True)
    pendingCode = serializers.ChoiceField([reason.value for reason in Reason], allow_null=True)
    estimatedStart = At(allow_null=True)
    estimateBasis = serializers.ChoiceField([basis.value for basis in Basis], allow_null=True)
    changes = RemedySerializer(many=True)


class OutlookQuery(Parameters):
    token = TokenReference()
    sdaId = Whole(required=False, min_value=1, max_value=MAX_ID, source="sda_id")
    model = Reference(live_models, required=False)
    group = Reference(live_model_groups, required=False)
    priority = Whole(required=False, min_value=MIN_PRIORITY, max_value=MAX_PRIORITY)
    timeLimit = Whole(required=False, min_value=1, max_value=LONGEST // timedelta(seconds=1), source="time_limit_s")
