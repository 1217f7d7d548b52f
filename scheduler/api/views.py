"""REST views of the scheduler: queue, history, and dry runs under the path `outlook`."""

from datetime import timedelta
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import Operators, OperatorView
from core.api.schema import reads, writes
from core.api.times import iso
from core.api.views import success
from core.clock import from_ms
from scheduler.api import serializers as shapes
from scheduler.api.cards import job_cards
from scheduler.api.filters import LIVE_WORDS, HistoryFilter, HistoryPages, QueueFilter
from scheduler.choices import LIVE, Cause
from scheduler.estimates.dry_run import DryRunParams, dry_run
from scheduler.models import Job
from scheduler.pending_reason import faulty_among, pending_reason_text
from scheduler.queries.jobs import history, jobs
from scheduler.queries.queue import places, queue
from scheduler.services.jobs import cancel_job, set_job_priority
from sda.queries import backend_group_of, get_sda, require_access


@extend_schema(tags=["scheduler"])
class QueueView(OperatorView):
    """Live jobs: list, change priority, cancel."""

    queryset = queue()
    filterset_class = QueueFilter

    @reads(shapes.JobInfoSerializer)
    def list(self, _request: Request) -> Response:
        """List live jobs in the order in which they will be tried."""
        return self.listed(job_cards(self.page(queue()), self.showing, places()))

    @writes(shapes.PriorityChange, shapes.JobInfoSerializer)
    def update(self, _request: Request) -> Response:
        """Change the priority of a waiting job."""
        given = self.given(shapes.PriorityChange)
        return self._answer(set_job_priority(given.pop("job"), given.pop("priority"), actor=self.actor, **given))

    @writes(shapes.Cancellation, shapes.JobInfoSerializer)
    def destroy(self, _request: Request) -> Response:
        """Cancel a job, whether it waits or holds devices."""
        given = self.given(shapes.Cancellation)
        cause = Cause.BY_OPERATOR if given["isWeb"] else Cause.BY_USER
        only = LIVE_WORDS[given["expected"]] if "expected" in given else LIVE
        cancel_job(given["job"], cause=cause, actor=self.actor, only=only)
        return self._answer(given["job"])

    def _answer(self, job: Job) -> Response:
        (card,) = job_cards(jobs().filter(pk=job.pk), self.showing, places(job.group_id))
        return success(card)


@extend_schema(tags=["scheduler"])
class HistoryView(OperatorView):
    """Jobs that are over."""

    queryset = history()
    filterset_class = HistoryFilter
    pagination_class = HistoryPages

    @reads(shapes.JobInfoSerializer)
    def list(self, _request: Request) -> Response:
        """List jobs that are over, the newest end first."""
        return self.listed(job_cards(self.page(history()), self.showing))


@extend_schema(tags=["scheduler"])
class DryRunView(Operators):
    """Dry runs of jobs."""

    @reads(shapes.DryRunSerializer, shapes.DryRunQuery, many=False, listed=shapes.RemedySerializer, refuses=(404,))
    def list(self, _request: Request) -> Response:
        """Return whether and when a job would start if it were submitted now, and what would let it start at once."""
        params = _dry_run_params(self.given(shapes.DryRunQuery))
        result = dry_run(params)
        waits, start = result.waits, result.start
        faulty = faulty_among([(params.group, waits.reason)]).get(params.group, 0) if waits else 0
        answer = {
            "starts": waits is None,
            "deviceCount": params.devices,
            "priority": params.token.priority if params.priority is None else params.priority,
            "queuePosition": result.place,
            "pendingReason": pending_reason_text(
                waits.reason, waits.needed, waits.available, waits.blocker, faulty=faulty
            )
            if waits
            else None,
            "pendingCode": waits.reason if waits else None,
            "estimatedStart": iso(from_ms(start.at_ms)) if start else None,
            "estimateBasis": start.basis if start else None,
            "changes": [{"change": change, "value": value} for change, value in result.remedies],
        }
        return Response(answer)


def _dry_run_params(given: dict[str, Any]) -> DryRunParams:
    """Return the job of a dry run: on an existing SDA, or on a new one of a model."""
    token = given["token"]
    limit = timedelta(seconds=given["time_limit_s"]) if "time_limit_s" in given else None
    if "model" in given:
        way = require_access(token, given["model"], given.get("group"))
        sda, devices, group = None, way.model.num_devices, way.backend_group_id
    else:
        sda = get_sda(token, given.get("sda_id"))
        devices, group = sda.model.num_devices, backend_group_of(sda)
    return DryRunParams(token, devices, group, sda, given.get("priority"), limit)
