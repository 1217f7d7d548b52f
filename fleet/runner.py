"""Workers of a simulated node: they stand up again with the simulation, and end with the devices that they need."""

import asyncio
from collections.abc import Collection, Iterable
from functools import partial

from clients.agent import FakeRunner, Worker
from clients.agent.errors import WorkerError
from clients.agent.fake_outputs import FakeOutputs
from clients.agent.journal import SavedWorker
from fleet.faults import Mend, SimulatedDevices
from fleet.faults.table import FaultEffect
from protocol.v1 import agents_pb2 as pb

LIVES = 1.0  # seconds of a worker on a device that ends its workers


class FaultyRunner(FakeRunner):
    """Workers that cannot start on devices that do not work, and end when these stop to work."""

    def __init__(self, devices: SimulatedDevices, outputs: FakeOutputs | None = None) -> None:
        super().__init__(outputs=outputs)
        self._devices = devices
        devices.struck = self._end_on

    async def start(self, order: pb.StartWorker) -> Worker:
        """Start a worker. Raises WorkerError on a device that does not work."""
        wanted = set(order.device_indexes)
        if broken := wanted & self._devices.stopped():
            raise WorkerError(f"the simulated device {min(broken)} does not work")
        worker = await super().start(order)
        if wanted & self._devices.having(FaultEffect.ENDS_WORKERS):
            asyncio.get_running_loop().call_later(LIVES, partial(self._end, worker))
        return worker

    async def clean(self, devices: Iterable[int]) -> None:
        """Leave nothing of former workers on the devices. Raises WorkerError for one that keeps a process."""
        self._devices.mend(Mend.CLEAN, list(devices))
        if stuck := self._devices.having(FaultEffect.KEEPS_PROCESSES) & set(devices):
            raise WorkerError(f"a process on the simulated device {min(stuck)} cannot be ended")

    def _end_on(self, devices: Collection[int]) -> None:
        for worker in list(self.workers.values()):
            if set(worker.devices) & set(devices):
                self._end(worker)

    def _end(self, worker: Worker) -> None:
        if self.workers.get(worker.worker_id) == worker:
            self.lose(worker.worker_id)


class StandingRunner(FaultyRunner):
    """Workers that stand up again when the simulation is started again, as if they had never been away."""

    async def adopt(self, kept: "list[SavedWorker]", begun: "list[int]", mark: str) -> None:  # type: ignore[override]  # noqa: ARG002
        """Start the listeners of all workers of the last simulation, on devices that work."""
        for worker in list(kept):
            if not set(worker.devices) & self._devices.stopped():
                await self.start(
                    pb.StartWorker(worker_id=worker.worker_id, job_id=worker.job_id, device_indexes=worker.devices)
                )
