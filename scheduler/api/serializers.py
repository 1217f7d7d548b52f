"""Parameters and responses of the scheduler's REST calls."""

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from core.api.parameters import Name, Parameters, Reference, Whole, Word
from core.api.shapes import Referer
from core.api.times import At
from core.numbers import MAX_ID
from scheduler.api.filters import LIVE_WORDS
from scheduler.choices import Cause, JobStatus, LogProblem
from scheduler.estimates.dry_run import Remedy
from scheduler.logs.reading import LEAST_BYTES, MOST_BYTES
from scheduler.policy.decisions import PendingReason
from scheduler.policy.forecast import Basis
from scheduler.queries.jobs import jobs
from scheduler.services.submission import LONGEST
from sda.queries import live_model_groups, live_models
from tokens.api.serializers import TokenReference, TokenSerializer
from tokens.choices import MAX_PRIORITY, MIN_PRIORITY

STATUSES = [status.capitalize() for status in JobStatus.values]


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
    pendingCode = serializers.ChoiceField([reason.value for reason in PendingReason], allow_null=True)
    estimatedStart = At(allow_null=True)
    estimateBasis = serializers.ChoiceField([basis.value for basis in Basis], allow_null=True)
    timeLimit = serializers.IntegerField(allow_null=True, help_text="seconds")
    maintenanceFrom = At(allow_null=True)


class WorkerLogSerializer(serializers.Serializer[Any]):
    """A piece of a worker's output."""

    worker = serializers.IntegerField()
    attempt = serializers.IntegerField()
    node = serializers.CharField()
    backendId = serializers.CharField()
    devices = serializers.ListField(child=serializers.IntegerField())
    text = serializers.CharField()
    offset = serializers.IntegerField()
    nextOffset = serializers.IntegerField()
    running = serializers.BooleanField()
    more = serializers.BooleanField()
    missing = serializers.IntegerField()
    problem = serializers.ChoiceField(LogProblem.values, allow_null=True)
    message = serializers.CharField(allow_null=True)
    keptAt = At(allow_null=True)


class LogQuery(Parameters):
    """Which output to read."""

    job = Reference(jobs)
    node = Name(required=False)
    attempt = Whole(required=False, min_value=1)
    tail = Whole(required=False, min_value=1, max_value=10_000)
    offset = Whole(required=False, max_value=MAX_ID)
    limit = Whole(required=False, min_value=LEAST_BYTES, max_value=MOST_BYTES)
    follow = serializers.BooleanField(default=False)
    whole = serializers.BooleanField(default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what excludes each other."""
        if "offset" in attrs:
            if "tail" in attrs:
                raise serializers.ValidationError({"tail": [_("Give either tail or offset.")]})
            if "node" not in attrs:
                raise serializers.ValidationError({"node": [_("An offset needs the node whose output it counts.")]})
        if attrs["whole"] and (attrs["follow"] or attrs.keys() & {"tail", "offset", "limit"}):
            raise serializers.ValidationError({"whole": [_("The whole output has no tail, offset, limit or follow.")]})
        return attrs


class PriorityChange(Parameters):
    """The new priority of a waiting job."""

    id = Reference(jobs, source="job")
    priority = Whole(min_value=MIN_PRIORITY, max_value=MAX_PRIORITY)
    expectedPriority = Whole(required=False, min_value=MIN_PRIORITY, max_value=MAX_PRIORITY, source="expected")


class Cancellation(Parameters):
    """The job to cancel."""

    id = Reference(jobs, source="job")
    isWeb = serializers.BooleanField(default=False, help_text="An operator asks on the web.")
    expectedStatus = Word(required=False, choices=list(LIVE_WORDS), source="expected")


class RemedySerializer(serializers.Serializer[Any]):
    """What would, by itself, let the job start at once."""

    change = serializers.ChoiceField([remedy.value for remedy in Remedy])
    value = serializers.IntegerField()


@extend_schema_serializer(many=False, component_name="Outlook")
class DryRunSerializer(serializers.Serializer[Any]):
    """What would become of a job if it were submitted now."""

    starts = serializers.BooleanField()
    deviceCount = serializers.IntegerField()
    priority = serializers.IntegerField()
    queuePosition = serializers.IntegerField()
    pendingReason = serializers.CharField(allow_null=True)
    pendingCode = serializers.ChoiceField([reason.value for reason in PendingReason], allow_null=True)
    estimatedStart = At(allow_null=True)
    estimateBasis = serializers.ChoiceField([basis.value for basis in Basis], allow_null=True)
    changes = RemedySerializer(many=True)


class DryRunQuery(Parameters):
    """The job of which to make a dry run."""

    token = TokenReference()
    sdaId = Whole(required=False, min_value=1, max_value=MAX_ID, source="sda_id")
    model = Reference(live_models, required=False)
    group = Reference(live_model_groups, required=False)
    priority = Whole(required=False, min_value=MIN_PRIORITY, max_value=MAX_PRIORITY)
    timeLimit = Whole(required=False, min_value=1, max_value=LONGEST // timedelta(seconds=1), source="time_limit_s")
