"""The REST view of the output of jobs."""

from typing import Any

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import Operators
from core.api.files import wants_file
from core.api.schema import reads
from core.api.times import iso
from core.errors import InvalidParameter, NotFound
from scheduler.api import serializers as shapes
from scheduler.logs.reading import MOST_WORKERS, TAIL, WorkerLog, last_lines, read_logs
from scheduler.logs.streams import followed_text, limited, whole_text
from scheduler.models import Worker
from scheduler.queries.workers import workers_with_output


@extend_schema(tags=["scheduler"])
class OutputView(Operators):
    """Output of jobs."""

    @reads(shapes.WorkerLogSerializer, shapes.LogQuery, refuses=(404, 429), as_text=True)
    def list(self, request: Request) -> HttpResponseBase:
        """Return the end of the output of a job's workers, or a piece of it; as text with `follow` or `whole`."""
        given = self.given(shapes.LogQuery)
        workers = _workers(given)
        as_text = not wants_file(request)
        if given["whole"] and as_text:
            return _text(limited(whole_text(workers)), f"job-{given['job'].pk}.log")
        positions = {worker.pk: given["offset"] for worker in workers if "offset" in given}
        logs = read_logs(workers, positions, given.get("limit", TAIL))
        if "tail" in given:
            logs = [last_lines(log, given["tail"]) for log in logs]
        if given["follow"] and as_text:
            return _text(limited(followed_text(logs)))
        return Response([_card(log) for log in logs])


def _workers(given: dict[str, Any]) -> list[Worker]:
    """Return the workers that are asked for. Raises NotFound for another node, InvalidParameter for too many."""
    workers = workers_with_output(given["job"], given.get("attempt"))
    if "node" in given:
        workers = [worker for worker in workers if worker.backend.name == given["node"]]
        if not workers:
            raise NotFound(node=given["node"])
    if len(workers) > MOST_WORKERS and not given["whole"]:
        raise InvalidParameter(_("The job has too many nodes; name one."), parameter="node", most=MOST_WORKERS)
    return workers


def _text(pieces: Any, name: str = "") -> StreamingHttpResponse:
    headers = {"X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
    if name:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return StreamingHttpResponse(pieces, content_type="text/plain; charset=utf-8", headers=headers)


def _card(log: WorkerLog) -> dict[str, Any]:
    worker = log.worker
    return {
        "worker": worker.pk,
        "attempt": worker.attempt,
        "node": worker.backend.name,
        "backendId": str(worker.backend_id),
        "devices": worker.devices,
        "text": log.text,
        "offset": log.offset,
        "nextOffset": log.next_offset,
        "running": log.running,
        "more": log.more,
        "missing": log.missing,
        "problem": log.problem,
        "message": log.problem and str(log.problem.label),
        "keptAt": iso(log.kept_at) if log.kept_at else None,
    }
