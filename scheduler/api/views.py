from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from moreh_cloud.accounts.api.operators import OperatorView
from moreh_cloud.lib.api.schema import reads, writes
from moreh_cloud.lib.api.views import success
from scheduler.api import serializers as shapes
from scheduler.api.cards import job_cards
from scheduler.api.filters import HistoryFilter, HistoryPages, QueueFilter
from scheduler.choices import Cause
from scheduler.models import Job
from scheduler.queries import history, jobs, places, queue
from scheduler.services.jobs import cancel_job, set_job_priority


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
