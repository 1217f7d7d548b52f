from datetime import timedelta
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from moreh_cloud.accounts.api.operators import Operators, OperatorView
from moreh_cloud.lib.api.schema import reads, writes
from moreh_cloud.lib.api.times import iso
from moreh_cloud.lib.api.views import success
from moreh_cloud.lib.clock import from_ms
from scheduler.api import serializers as shapes
from scheduler.api.cards import job_cards
from scheduler.api.filters import HistoryFilter, HistoryPages, QueueFilter
from scheduler.choices import Cause
from scheduler.models import Job
from scheduler.queries import history, jobs, places, queue
from scheduler.services.jobs import cancel_job, set_job_priority
from scheduler.trial import Trial, try_out
from scheduler.why import in_words
from sda.queries import backend_group_of, get_sda, require_access


@extend_schema(tags=["scheduler"])
class QueueView(OperatorView):
    queryset = queue()
    filterset_class = QueueFilter

    @reads(shapes.JobInfoSerializer)
    def list(self, _request: Request) -> Response:
        """List live jobs in the order in which they will be tried."""
        return self.listed(job_cards(self.page(queue()), self.showing, places()))

    @writes(shapes.PriorityChange, shapes.JobInfoSerializer)
    def update(self, _request: Request) -> Response:
        """Change a waiting job's place."""
        given = self.given(shapes.PriorityChange)
        return self._answer(set_job_priority(given["job"], given["priority"], actor=self.actor))

    @writes(shapes.Cancellation, shapes.JobInfoSerializer)
    def destroy(self, _request: Request) -> Response:
        """Take a waiting job out of the queue, or stop a running one."""
        given = self.given(shapes.Cancellation)
        cause = Cause.BY_OPERATOR if given["isWeb"] else Cause.BY_USER
        cancel_job(given["job"], cause=cause, actor=self.actor)
        return self._answer(given["job"])

    def _answer(self, job: Job) -> Response:
        (card,) = job_cards(jobs().filter(pk=job.pk), self.showing, places(job.group_id))
        return success(card)


@extend_schema(tags=["scheduler"])
class HistoryView(OperatorView):
    queryset = history()
    filterset_class = HistoryFilter
    pagination_class = HistoryPages

    @reads(shapes.JobInfoSerializer)
    def list(self, _request: Request) -> Response:
        """List jobs that are over, the newest end first."""
        return self.listed(job_cards(self.page(history()), self.showing))


@extend_schema(tags=["scheduler"])
class OutlookView(Operators):
    @reads(shapes.OutlookSerializer, shapes.OutlookQuery, many=False, listed=shapes.RemedySerializer, refuses=(404,))
    def list(self, _request: Request) -> Response:
        """Say what would become of a job if it were submitted now: would it run, when, what would have to change."""
        trial = _trial(self.given(shapes.OutlookQuery))
        verdict = try_out(trial)
        waits, start = verdict.waits, verdict.start
        answer = {
            "starts": waits is None,
            "deviceCount": trial.devices,
            "priority": trial.token.priority if trial.priority is None else trial.priority,
            "queuePosition": verdict.place,
            "pendingReason": in_words(waits.reason, waits.needed, waits.available, waits.blocker) if waits else None,
            "pendingCode": waits.reason if waits else None,
            "estimatedStart": iso(from_ms(start.at_ms)) if start else None,
            "estimateBasis": start.basis if start else None,
            "changes": [{"change": change, "value": value} for change, value in verdict.remedies],
        }
        return Response(answer)


def _trial(given: dict[str, Any]) -> Trial:
    """Read what would be asked for: by an SDA that is there, or by a model for which one would be made."""
    token = given["token"]
    limit = timedelta(seconds=given["time_limit_s"]) if "time_limit_s" in given else None
    if "model" in given:
        way = require_access(token, given["model"], given.get("group"))
        sda, devices, group = None, way.model.num_devices, way.backend_group_id
    else:
        sda = get_sda(token, given.get("sda_id"))
        devices, group = sda.model.num_devices, backend_group_of(sda)
    return Trial(token, devices, group, sda, given.get("priority"), limit)
