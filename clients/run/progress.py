"""Progress of a job as lines for a person."""

from collections.abc import Sequence
from datetime import UTC, datetime

from protocol.v1 import jobs_pb2 as pb


def describe(update: pb.JobUpdate) -> str:
    """Return the state of the job in one line."""
    match update.WhichOneof("state"):
        case "waiting":
            return _waiting(update.waiting)
        case "submitted":
            return f"preparing: {', '.join(_host(host.host, host.device_indexes) for host in update.submitted.hosts)}"
        case "running":
            return _running(update.running) + _maintenance(update)
        case "ended":
            return _ended(update.ended)
    return "requesting…"


def _waiting(waiting: pb.Waiting) -> str:
    parts = [f"place {waiting.place}"] if waiting.place else []
    if waiting.needed:
        parts.append(f"needs {waiting.needed} devices, {waiting.available} free")
    if waiting.blocker_job_id:
        parts.append(f"behind job {waiting.blocker_job_id}")
    if waiting.reason:
        parts.append(waiting.reason)
    if waiting.HasField("estimated_start_ms"):
        parts.append(f"expected to start about {_clock(waiting.estimated_start_ms)}")
    return f"waiting: {', '.join(parts)}" if parts else "waiting"


def _running(running: pb.Running) -> str:
    if running.HasField("preempted_at_ms"):
        at = _clock(running.preempted_at_ms)
        return f"its devices go to a more important job at {at}; it will wait and run again"
    return f"ready: {', '.join(_host(w.host, w.device_indexes) for w in running.workers)}"


def _maintenance(update: pb.JobUpdate) -> str:
    if not update.HasField("maintenance_from_ms"):
        return ""
    return f"; maintenance of one of its hosts begins at {_clock(update.maintenance_from_ms)}"


def _ended(ended: pb.Ended) -> str:
    why = ", ".join(part for part in (ended.reason, ended.detail) if part)
    return f"{ended.status.lower()}: {why}" if why else ended.status.lower()


def _clock(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _host(name: str, indexes: Sequence[int]) -> str:
    return f"{name} [{','.join(map(str, indexes))}]"
