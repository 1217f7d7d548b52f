"""Dry run of a job: would it start, and when?"""

import asyncio

import grpc

from clients.channel import Server, bearer, code_of, explain
from clients.run.client import DeviceRequest
from clients.run.errors import JobRefused
from clients.run.progress import describe
from protocol.v1 import jobs_pb2 as pb
from protocol.v1.jobs_pb2_grpc import JobsStub

TIMEOUT = 15.0  # seconds
REMEDIES = {
    "priority": "with priority {}",
    "nodes": "with {} more nodes",
    "maxDevices": "with a limit of {} devices",
    "timeLimit": "with a time limit of {} s",
}


def check(server: Server, token: str, request: DeviceRequest) -> pb.CheckResponse:
    """Return the server's answer to a dry run. Raises JobRefused."""
    try:
        return asyncio.run(_check(server, token, request))
    except grpc.aio.AioRpcError as error:
        raise JobRefused(code_of(error), explain(error, server)) from error
    except OSError as error:
        raise JobRefused("TLS_FILES", str(error)) from error


def lines(answer: pb.CheckResponse) -> list[str]:
    """Return the answer as lines for a person."""
    if answer.starts:
        return [f"it would start at once on {answer.device_count} devices"]
    known = [] if answer.waiting.HasField("estimated_start_ms") else ["when it would start is not known"]
    remedies = [REMEDIES.get(one.change, one.change + " {}").format(one.value) for one in answer.remedies]
    ways = [f"it would start at once {' or '.join(remedies)}"] if remedies else []
    return [f"it would be {describe(pb.JobUpdate(waiting=answer.waiting))}", *known, *ways]


async def _check(server: Server, token: str, request: DeviceRequest) -> pb.CheckResponse:
    message = pb.CheckRequest(sda_id=request.sda_id, time_limit_s=request.time_limit_s)
    async with server.connect() as channel:
        answer: pb.CheckResponse = await JobsStub(channel).Check(message, metadata=bearer(token), timeout=TIMEOUT)
        return answer
