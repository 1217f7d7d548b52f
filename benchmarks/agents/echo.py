"""The limit beside us: a server that answers agents in the same shape and remembers nothing.

`python -m benchmarks.agents.echo PORT`: a Welcome for each Hello, then one CLEAN order; all else it only reads.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc

from protocol import wire
from protocol.v1 import agents_pb2 as pb
from protocol.v1.agents_pb2_grpc import AgentsServicer, add_AgentsServicer_to_server


class Echo(AgentsServicer):
    """Says what a manager says, without any record."""

    async def Connect(  # noqa: N802 - the protocol's name
        self,
        request_iterator: AsyncIterator[pb.AgentMessage],
        context: Any,  # noqa: ARG002
    ) -> AsyncIterator[pb.ManagerMessage]:
        messages = aiter(request_iterator)
        await anext(messages)
        yield pb.ManagerMessage(welcome=pb.Welcome(report_interval_ms=5_000, backend_id=1, backend_name="node"))
        clean = pb.CleanDevices(device_indexes=range(8))
        yield pb.ManagerMessage(order=pb.Order(order_id=str(uuid4()), clean=clean))
        async for _message in messages:
            pass

    async def Enrol(self, request: pb.EnrolRequest, context: Any) -> pb.EnrolResponse:  # noqa: ARG002, N802
        return pb.EnrolResponse()


async def main(port: int) -> None:
    server = grpc.aio.server(options=wire.SERVER_OPTIONS)
    add_AgentsServicer_to_server(Echo(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
