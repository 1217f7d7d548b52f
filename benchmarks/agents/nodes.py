"""Simulated agents in one process: `python -m benchmarks.agents.nodes ADDRESS FIRST LAST`.

Each has a connection of its own and says what a real one says: Hello, Ack, Result, Report. One node of ten has a
finding that holds, and some findings begin and end. Prints a line of JSON with what they have seen so far, every fifth
of a second, until it is stopped.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator

import grpc

from clients.backoff import Backoff
from clients.channel import Server, bearer, code_of, retry_after
from clients.outbox import Outbox
from protocol.v1 import agents_pb2 as pb
from protocol.v1.agents_pb2_grpc import AgentsStub

Stream = grpc.aio.StreamStreamCall[pb.AgentMessage, pb.ManagerMessage]

DEVICES, MODEL, MEMORY = 8, "MI250", 65_536
CHANGES_AFTER = 4  # reports
WELCOME_WITHIN = 30.0  # seconds, as the real one
SAY_EVERY = 0.2  # seconds


def key_of(number: int) -> str:
    """Return the node key of a simulated agent."""
    return f"benchmark-{number}"


class Tally:
    """What all agents of this process have seen."""

    def __init__(self) -> None:
        self.connected = 0
        self.reports = 0
        self.later = 0
        self.refused = 0
        self.unheard = 0
        self.failed: Counter[str] = Counter()

    def note(self, error: grpc.aio.AioRpcError) -> None:
        """Count an error: the server said when to come again, or only no; or the connection failed, which says gRPC."""
        if retry_after(error) is not None:
            self.later += 1
        elif code_of(error) != error.code().name:
            self.refused += 1
        else:
            self.failed[error.code().name] += 1


class Agent:
    """One node's agent."""

    def __init__(self, number: int, server: Server, tally: Tally) -> None:
        self._number = number
        self._server = server
        self._tally = tally
        self._sequence = 0
        self._reports = 0
        self._backoff = Backoff()

    async def live(self) -> None:
        """Connect for ever."""
        while True:
            wait = None
            try:
                async with self._server.connect() as channel:
                    await self._session(channel)
            except grpc.aio.AioRpcError as error:
                self._tally.note(error)
                wait = retry_after(error)
            except TimeoutError:
                self._tally.unheard += 1
            await asyncio.sleep(self._backoff.next() if wait is None else wait)

    async def _session(self, channel: grpc.aio.Channel) -> None:
        outbox: Outbox[pb.AgentMessage] = Outbox()
        self._send(outbox, hello=self._hello())
        call = AgentsStub(channel).Connect(aiter(outbox), metadata=bearer(key_of(self._number)))
        try:
            async with asyncio.timeout(WELCOME_WITHIN):
                first = await call.read()
            if isinstance(first, pb.ManagerMessage):
                await self._serve(call, outbox, first.welcome)
        finally:
            outbox.close()
            call.cancel()

    async def _serve(self, call: Stream, outbox: Outbox[pb.AgentMessage], welcome: pb.Welcome) -> None:
        self._tally.connected += 1
        reports = asyncio.create_task(self._report(outbox, welcome.report_interval_ms / 1000))
        try:
            while isinstance(message := await call.read(), pb.ManagerMessage):
                self._send(outbox, ack=pb.Ack(order_id=message.order.order_id))
                self._send(outbox, result=pb.Result(order_id=message.order.order_id, ok=True))
        finally:
            self._tally.connected -= 1
            reports.cancel()

    async def _report(self, outbox: Outbox[pb.AgentMessage], pause: float) -> None:
        while True:
            self._send(outbox, report=self.report())
            self._tally.reports += 1
            await asyncio.sleep(pause)
            self._backoff.reset()

    def report(self) -> pb.Report:
        """Return what this agent reports now: values that change, and what is wrong with its devices."""
        self._reports += 1
        return REPORTS[_kind_of(self._number, self._reports)][self._reports % 2]

    def _hello(self) -> pb.Hello:
        seen = [pb.DeviceInfo(index=index, model=MODEL, memory_mib=MEMORY) for index in range(DEVICES)]
        return pb.Hello(instance_id=f"i{self._number}", host_name="host", agent_version="1.0", devices=seen)

    def _send(self, outbox: Outbox[pb.AgentMessage], **message: object) -> None:
        self._sequence += 1
        outbox.put(pb.AgentMessage(boot=1, sequence=self._sequence, **message))  # type: ignore[arg-type]


def telemetry(used: int, degrees: int) -> Iterator[pb.DeviceTelemetry]:
    """Return the values of all devices of a node."""
    for index in range(DEVICES):
        values = {"temperature_celsius": degrees, "memory_temperature_celsius": 50, "utilization_percent": 10}
        yield pb.DeviceTelemetry(
            index=index, used_memory_mib=used, power_watts=90, memory_utilization_percent=1, **values
        )


def _kind_of(number: int, reports: int) -> str:
    """Return what a node reports: every tenth has a finding; of every hundredth it begins and ends all the time."""
    if number % 100 == 1:
        return "sick" if reports // CHANGES_AFTER % 2 else "well"
    return "sick" if number % 10 == 0 else "well"


def _report(degrees: int, *facts: pb.HealthFact) -> pb.Report:
    health = [pb.DeviceHealth(index=3, facts=facts)] if facts else []
    return pb.Report(
        devices=telemetry(100, degrees),
        cpu_percent=5,
        used_memory_mib=1_000,
        total_memory_mib=9_000,
        health=pb.Health(ok=True),
        device_health=health,
    )


HOT = pb.HealthFact(code=pb.HealthFact.THERMAL_SLOWDOWN, text="SW thermal slowdown")
REPORTS = {"well": [_report(40), _report(41)], "sick": [_report(40, HOT), _report(41, HOT)]}


async def main(address: str, first: int, last: int) -> None:
    tally = Tally()
    agents = [asyncio.create_task(Agent(n, Server(address), tally).live()) for n in range(first, last)]
    while not any(agent.done() for agent in agents):
        print(json.dumps(vars(tally)), flush=True)
        await asyncio.sleep(SAY_EVERY)
    await asyncio.gather(*agents)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
