"""What would become of a job, before it is asked for."""

import asyncio

import grpc

from clients.channel import Server, bearer, code_of, explain
from clients.run.client import JobRefused, Request
from clients.run.progress import describe
from protocol.v1 import jobs_pb2 as pb
from protocol.v1.jobs_pb2_grpc import JobsStub

PATIENCE = 15.0  # seconds
REMEDIES = {
    "priority": "with priority {}",
    "nodes": "with {} more nodes",
    "maxDevices": "with a limit of {} devices",
}


def check(server: Server, token: str, request: Request) -> pb.CheckResponse:
    """Ask the server. Raises JobRefused."""
    try:
        return asyncio.run(_ask(server, token, request))
    except grpc.aio.AioRpcError as error:
        raise JobRefused(code_of(error), explain(error, server)) from error
    except OSError as error:
        raise JobRefused("TLS_FILES", str(error)) from error


def say(told: pb.CheckResponse) -> list[str]:
    """Put it into lines for a person."""
    if told.starts:
        return [f"it would start at once on {told.device_count} devices"]
    known = [] if told.waiting.HasField("estimated_start_ms") else ["when it would start is not known"]
    remedies = [REMEDIES.get(one.change, one.change + " {}").format(one.value) for one in told.remedies]
    ways = [f"it would start at once {' or '.join(remedies)}"] if remedies else []
    return [f"it would be {describe(pb.JobUpdate(waiting=told.waiting))}", *known, *ways]


async def _ask(server: Server, token: str, request: Request) -> pb.CheckResponse:
    asked = pb.CheckRequest(sda_id=request.sda_id, time_limit_s=request.time_limit_s)
    async with server.connect() as channel:
        told: pb.CheckResponse = await JobsStub(channel).Check(asked, metadata=bearer(token), timeout=PATIENCE)
        return told
