"""The output of a job on its page: pieces for the page to show, and all of it as a file."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from core.numbers import MAX_ID, whole
from core.pace import TooManyCalls
from scheduler.logs.notes import gap_note, problem_note
from scheduler.logs.reading import MOST_BYTES, MOST_WORKERS, TAIL, WorkerLog, read_logs
from scheduler.logs.streams import limited, whole_text
from scheduler.models import Job, Worker
from scheduler.queries.workers import workers_with_output


@require_GET
def pieces(request: HttpRequest, pk: int) -> HttpResponse:
    """Return as JSON the end of the output of a job's workers, or what follows after the places in `from`.

    With `list` nothing is read: the answer only has the workers.
    """
    workers = _workers(pk)
    positions = _positions(request.GET.get("from", ""))
    wanted = [] if "list" in request.GET else _wanted(request, workers)
    shown = [worker for worker in wanted if not positions or worker.pk in positions][:MOST_WORKERS]
    logs = read_logs(shown, positions, MOST_BYTES if positions else TAIL) if shown else []
    answer = {
        "nodes": [{"id": worker.pk, "title": _title(worker)} for worker in workers],
        "all": len(workers) <= MOST_WORKERS,
        "pieces": [_piece(log) for log in logs],
        "note": "" if workers else _("No worker of this job has started yet."),
    }
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})


@require_GET
def file(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Return all that is kept of the output of a job, or of one of its workers, as a file."""
    try:
        text = limited(whole_text(_wanted(request, _workers(pk))))
    except TooManyCalls as error:
        return HttpResponse(str(error), status=429, content_type="text/plain; charset=utf-8")
    headers = {"Content-Disposition": f'attachment; filename="job-{pk}.log"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(text, content_type="text/plain; charset=utf-8", headers=headers)


def _workers(pk: int) -> list[Worker]:
    job = Job.objects.filter(pk=pk).first()
    if job is None:
        raise Http404
    return workers_with_output(job)


def _wanted(request: HttpRequest, workers: list[Worker]) -> list[Worker]:
    """Return the worker that is asked for; all of them if none is."""
    one = whole(request.GET.get("worker"), 1, MAX_ID)
    return [worker for worker in workers if one in (None, worker.pk)]


def _positions(text: str) -> dict[int, int]:
    """Return the places of `12:345,13:0`; what cannot be read is left out."""
    found = [word.partition(":") for word in text.split(",")]
    numbers = [(whole(worker, 1, MAX_ID), whole(offset, 0, MAX_ID)) for worker, _colon, offset in found]
    return {worker: offset for worker, offset in numbers if worker is not None and offset is not None}


def _title(worker: Worker) -> str:
    return f"{worker.backend.name} [{', '.join(map(str, worker.devices))}]"


def _piece(log: WorkerLog) -> dict[str, Any]:
    return {
        "id": log.worker.pk,
        "title": _title(log.worker),
        "text": log.text,
        "next": log.next_offset,
        "live": log.running,
        "more": log.more,
        "away": log.problem is not None,
        "note": " ".join(filter(None, (gap_note(log), problem_note(log)))),
    }
