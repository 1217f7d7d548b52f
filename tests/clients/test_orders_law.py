"""Whatever order the manager's orders come in, however often, and whenever the agent dies: each is carried out once."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from clients.agent import FakeDevices, FakeRunner, Worker
from clients.agent.health import HealthCheck
from clients.agent.journal import Journal
from clients.agent.machine import ThisMachine
from clients.agent.orders import Orders
from protocol.v1 import agents_pb2 as pb

DEVICES = 4
WORKERS = st.integers(1, 4)
STARTS = st.builds(lambda worker: ("start", worker), WORKERS)
STOPS = st.builds(lambda worker: ("stop", worker), WORKERS)
CLEANS = st.builds(lambda worker: ("clean", worker), WORKERS)
PAUSES = st.just(("pause", 0))
DEATHS = st.just(("death", 0))
STEPS = st.lists(st.one_of(STARTS, STOPS, CLEANS, PAUSES, DEATHS), max_size=25)


class Witness(FakeRunner):
    """Keeps books of its own: every start, every stop of something that ran."""

    def __init__(self, log: list[tuple[str, int]]) -> None:
        super().__init__()
        self.log = log
        self.held: dict[int, set[int]] = {}

    async def start(self, order: pb.StartWorker) -> Worker:
        self.log.append(("started", order.worker_id))
        wanted = set(order.device_indexes)
        if any(wanted & devices for devices in self.held.values()):
            self.log.append(("overlapped", order.worker_id))
        self.held[order.worker_id] = wanted
        await asyncio.sleep(0.001)
        worker = Worker(order.worker_id, order.job_id, tuple(order.device_indexes), "127.0.0.1:1")
        self.workers[order.worker_id] = worker
        return worker

    async def stop(self, worker_id: int) -> None:
        self.log.append(("stopped", worker_id))
        await asyncio.sleep(0.001)
        await super().stop(worker_id)
        self.held.pop(worker_id, None)


def order_of(verb: str, worker: int) -> pb.Order:
    """Make the one order of a verb for a worker; workers 1 and 3, and 2 and 4, want the same devices."""
    devices = [worker % 2, worker % 2 + 2]
    order_id = f"{verb}-{worker}"
    if verb == "start":
        return pb.Order(order_id=order_id, start=pb.StartWorker(worker_id=worker, job_id=1, device_indexes=devices))
    if verb == "stop":
        return pb.Order(order_id=order_id, stop=pb.StopWorker(worker_id=worker))
    return pb.Order(order_id=order_id, clean=pb.CleanDevices(worker_id=worker, device_indexes=devices))


class Agent:
    """The part of an agent that the orders go through, without a connection."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log: list[tuple[str, int]] = []
        self.sent: list[pb.AgentMessage] = []

    async def boot(self) -> None:
        self.journal = Journal(self.folder)
        self.runner = Witness(self.log)
        devices = FakeDevices(DEVICES)
        health = HealthCheck(devices)
        await health.read(set())
        host = ThisMachine(devices)
        self.orders = Orders(self.journal, self.runner, health, self.sent.append, look=self.look, machine=host)
        await self.orders.resume()

    async def look(self) -> None:
        """Have nobody to report to."""

    async def die(self) -> None:
        await asyncio.gather(*self.orders.abandon(), return_exceptions=True)
        self.runner.abandon()
        self.journal.close()

    async def settle(self) -> None:
        while tasks := list(self.orders._tasks):
            await asyncio.wait(tasks)

    def results(self) -> dict[str, set[bytes]]:
        told: dict[str, set[bytes]] = {}
        for message in self.sent:
            if message.HasField("result"):
                wire = message.result.SerializeToString(deterministic=True)
                told.setdefault(message.result.order_id, set()).add(wire)
        return told


async def live(steps: list[tuple[str, int]], folder: Path) -> Agent:
    agent = Agent(folder)
    await agent.boot()
    for verb, worker in steps:
        if verb == "pause":
            await agent.settle()
        elif verb == "death":
            await agent.die()
            await agent.boot()
        else:
            agent.orders.receive(order_of(verb, worker))
            await asyncio.sleep(0)
    await agent.settle()
    return agent


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_each_order_once(steps: list[tuple[str, int]]) -> None:
    async def tell() -> None:
        with tempfile.TemporaryDirectory() as folder:
            agent = await live(steps, Path(folder))
            starts = Counter(worker for what, worker in agent.log if what == "started")
            assert max(starts.values(), default=0) <= 1
            assert [worker for what, worker in agent.log if what == "overlapped"] == []
            stopped = {worker for verb, worker in steps if verb in ("stop", "clean")}
            assert not stopped & agent.runner.workers.keys()
            assert all(len(different) == 1 for different in agent.results().values())
            acks = Counter(message.ack.order_id for message in agent.sent if message.HasField("ack"))
            assert acks == Counter(f"{verb}-{worker}" for verb, worker in steps if worker)
            await agent.die()

    asyncio.run(tell())
