"""The dry run of a client: whether and when a job of its token would start."""

from datetime import timedelta

from protocol.v1 import jobs_pb2 as pb
from scheduler.estimates.dry_run import DryRunParams, DryRunResult, dry_run
from scheduler.rpc.updates import waiting_at
from scheduler.services.submission import require_time_limit
from sda.queries import backend_group_of, get_sda
from tokens.queries import authenticate_token

DEADLINE_S = 0.5  # of a forecast; streams share the processor with it


def check(value: str, request: pb.CheckRequest) -> pb.CheckResponse:
    """Return whether and when a job of this token would start. Raises Unauthenticated, NotFound."""
    token = authenticate_token(value)
    sda = get_sda(token, request.sda_id or None, name="sda_id")
    limit = timedelta(seconds=request.time_limit_s) if request.time_limit_s else None
    require_time_limit(limit)
    devices = sda.model.num_devices
    params = DryRunParams(token, devices, backend_group_of(sda), sda, time_limit=limit)
    return _build_response(devices, dry_run(params, deadline_s=DEADLINE_S))


def _build_response(devices: int, result: DryRunResult) -> pb.CheckResponse:
    response = pb.CheckResponse(starts=result.waits is None, device_count=devices)
    if result.waits:
        response.waiting.CopyFrom(waiting_at(result.place, result.waits, result.start))
    response.remedies.extend(pb.Remedy(change=change.value, value=value) for change, value in result.remedies)
    return response
