"""Read the output of a job's workers: from their nodes, or what the server has kept of it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from backends.queries import current_sessions
from protocol import wire
from protocol.cuts import rest_of_word
from protocol.v1 import agents_pb2 as pb
from scheduler.choices import LogProblem
from scheduler.logs.broker import Answer, Read, ask
from scheduler.logs.tails import rest_of_tail
from scheduler.logs.text import AROUND, OutputWindow, text_of
from scheduler.models import Worker, WorkerTail

MOST_BYTES = wire.MAX_LOG_PIECE - 2 * AROUND  # of one piece
LEAST_BYTES = 64
MOST_WORKERS = 32  # in one call
TAIL = 16 * 1024  # bytes, where nobody says how many
LONGEST_CHARACTER = 4  # bytes; a piece is shorter by less than that, so as not to end within one


@dataclass(frozen=True)
class WorkerLog:
    """Text of a worker's output. `missing` bytes before it are not kept any more.

    With a `problem`, it is what the server had kept at `kept_at`, or nothing.
    """

    worker: Worker
    text: str = ""
    offset: int = 0
    next_offset: int = 0
    end: int = 0
    running: bool = False
    more: bool = False
    missing: int = 0
    problem: LogProblem | None = None
    kept_at: datetime | None = None


class Known(NamedTuple):
    """What the rows say of some workers: the last output that was kept of each, and which nodes are connected."""

    tails: Mapping[int, WorkerTail]
    connected: Collection[int]


def read_known(workers: Sequence[Worker]) -> Known:
    """Return what the rows say of some workers, in two queries."""
    sessions = current_sessions([worker.backend_id for worker in workers])
    tails = WorkerTail.objects.in_bulk([worker.pk for worker in workers])
    return Known(tails, {backend for backend, session in sessions.items() if session})


def read_logs(workers: Sequence[Worker], positions: Mapping[int, int], limit: int) -> list[WorkerLog]:
    """Return a piece of each worker's output: from its position on, or its last `limit` bytes. Two queries."""
    return ask_logs(read_known(workers), workers, positions, limit)


def ask_logs(known: Known, workers: Sequence[Worker], positions: Mapping[int, int], limit: int) -> list[WorkerLog]:
    """Return the same without a query; waits for the agents."""
    limit = min(limit, MOST_BYTES)
    near = [worker for worker in workers if worker.backend_id in known.connected]
    answers = dict(zip(near, ask([_read(worker, positions.get(worker.pk), limit) for worker in near]), strict=True))
    return [
        _log(
            worker,
            answers.get(worker, LogProblem.NODE_AWAY),
            positions.get(worker.pk),
            limit,
            known.tails.get(worker.pk),
        )
        for worker in workers
    ]


def read_again(logs: Iterable[WorkerLog]) -> list[WorkerLog]:
    """Return what follows after some pieces."""
    logs = list(logs)
    return read_logs([log.worker for log in logs], {log.worker.pk: log.next_offset for log in logs}, MOST_BYTES)


def last_lines(log: WorkerLog, lines: int) -> WorkerLog:
    """Return the last lines of a piece."""
    found = log.text.splitlines(keepends=True)
    return replace(log, text="".join(found[-lines:])) if lines < len(found) else log


def _read(worker: Worker, position: int | None, limit: int) -> Read:
    if position is None:
        return Read(worker.backend_id, worker.pk, -(limit + AROUND), limit + AROUND)
    return Read(worker.backend_id, worker.pk, max(0, position - AROUND), limit + 2 * AROUND)


def _log(worker: Worker, answer: Answer, position: int | None, limit: int, tail: WorkerTail | None) -> WorkerLog:
    if isinstance(answer, pb.LogPiece) and not answer.problem:
        return _log_of_piece(worker, answer, position, limit)
    problem = answer if isinstance(answer, LogProblem) else _PROBLEMS.get(answer.problem, LogProblem.NOT_KEPT)
    if tail is None or (position or 0) >= tail.end:
        return WorkerLog(worker, problem=problem, next_offset=position or 0, kept_at=tail.at if tail else None)
    start, text = (tail.start, tail.text) if position is None else rest_of_tail(tail, position)
    missing = 0 if position is None else start - position
    return WorkerLog(
        worker, text, offset=start, next_offset=tail.end, missing=missing, problem=problem, kept_at=tail.at
    )


_PROBLEMS = {pb.LogPiece.BUSY: LogProblem.BUSY}


def _log_of_piece(worker: Worker, piece: pb.LogPiece, position: int | None, limit: int) -> WorkerLog:
    end = piece.offset + len(piece.data)
    begin = max(end - limit, piece.offset) if position is None else min(max(position, piece.offset), end)
    if begin > (position or 0):  # what is before it was not seen
        begin += rest_of_word(piece.data[begin - piece.offset :])
    window = OutputWindow(piece.offset, piece.data, open_end=piece.running and end >= piece.end)
    text, following = text_of(window, begin, limit)
    return WorkerLog(
        worker,
        text,
        offset=begin,
        next_offset=following,
        running=piece.running,
        end=piece.end,
        more=end < piece.end or (following < end and following + LONGEST_CHARACTER > begin + limit),
        missing=max(0, begin - position) if position is not None else 0,
    )
