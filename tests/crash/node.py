"""A node as a process: BMC and agent, with witness books that survive it. Its secrets come in CRASH_NODE."""

import asyncio
import json
import os
import signal
from pathlib import Path

from backends.power.simulator import ExecutedCommand
from clients.agent import Agent, FakeDevices, FakeRunner, Worker
from clients.backoff import Backoff
from clients.channel import Server
from fleet.node import Node
from fleet.roster import SeededNode
from protocol.v1 import agents_pb2 as pb


class Witness:
    """Lines of JSON, each on disk before anything depends on it."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a", buffering=1)

    def write(self, **line: object) -> None:
        self._file.write(json.dumps(line) + "\n")


class WitnessedRunner(FakeRunner):
    """Writes down each worker that begins and ends."""

    def __init__(self, witness: Witness) -> None:
        super().__init__()
        self._witness = witness

    async def start(self, order: pb.StartWorker) -> Worker:
        self._witness.write(start=order.worker_id, job=order.job_id, devices=list(order.device_indexes))
        return await super().start(order)

    def _drop(self, worker_id: int) -> None:
        if worker_id in self.workers:
            self._witness.write(gone=worker_id)
        super()._drop(worker_id)


class WitnessedCommands(list[ExecutedCommand]):
    """The executed commands of a chassis, also written to disk."""

    def __init__(self, witness: Witness) -> None:
        super().__init__()
        self._witness = witness

    def append(self, executed: ExecutedCommand) -> None:
        self._witness.write(power=str(executed.command))
        super().append(executed)


class WitnessedNode(Node):
    """A node of the demo whose workers are written down; they end with the process."""

    boot_time = 0.5

    def __init__(self, seeded: SeededNode, server: Server, folder: Path, devices: int) -> None:
        super().__init__(seeded, server, folder)
        self.witness = Witness(folder / f"{seeded.name}.witness")
        self.witness.write(boot=True)
        self.key, self.server, self.folder, self.count = seeded.key, server, folder, devices

    def make_agent(self, _runner: FakeRunner) -> Agent:
        self.witnessed = WitnessedRunner(self.witness)
        return Agent(
            self.server,
            self.key,
            self.folder / self.name,
            FakeDevices(self.count),
            self.witnessed,
            host_name=self.name,
            backoff=Backoff(longest=1.0),
        )

    def lose_a_worker(self) -> None:
        """Let one worker die, if there is one."""
        if workers := list(self.witnessed.workers):
            self.witnessed.lose(workers[0])


async def main() -> None:
    order = json.loads(os.environ["CRASH_NODE"])
    seeded = SeededNode(order["name"], order["key"], order["bmc_port"])
    node = WitnessedNode(seeded, Server(order["server"]), Path(order["folder"]), order["devices"])
    bmc = await node.start_bmc(order["user"], order["password"])
    bmc.chassis.executed = WitnessedCommands(node.witness)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, node.lose_a_worker)
    await node.live()


if __name__ == "__main__":
    asyncio.run(main())
