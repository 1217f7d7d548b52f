"""What a client is told before it asks for devices."""

from datetime import timedelta

from protocol.v1 import jobs_pb2 as pb
from scheduler.rpc.updates import waiting_at
from scheduler.trial import Trial, Verdict, try_out
from sda.queries import backend_group_of, get_sda
from tokens.queries import authenticate_token

PATIENCE_S = 0.5  # of a look ahead: streams share the processor with it


def check(value: str, asked: pb.CheckRequest) -> pb.CheckResponse:
    """Say what would become of a job of this token. Raises Unauthenticated, NotFound."""
    token = authenticate_token(value)
    sda = get_sda(token, asked.sda_id or None, name="sda_id")
    limit = timedelta(seconds=asked.time_limit_s) if asked.time_limit_s else None
    devices = sda.model.num_devices
    trial = Trial(token, devices, backend_group_of(sda), sda, time_limit=limit)
    return _told(devices, try_out(trial, patience_s=PATIENCE_S))


def _told(devices: int, verdict: Verdict) -> pb.CheckResponse:
    told = pb.CheckResponse(starts=verdict.waits is None, device_count=devices)
    if verdict.waits:
        told.waiting.CopyFrom(waiting_at(verdict.place, verdict.waits, verdict.start))
    told.remedies.extend(pb.Remedy(change=change.value, value=value) for change, value in verdict.remedies)
    return told
