import asyncio
import json
import logging
from pathlib import Path

from backends.power.driver import BmcAddress, PowerState
from backends.power.simulator import SimulatedBmc, start_bmc
from clients.agent import Agent, FakeDevices, FakeRunner
from clients.agent.book import Kept
from clients.channel import Server
from clients.patience import Backoff
from moreh_cloud.fleet.roster import DEVICE_MEMORY, DEVICE_MODEL, DEVICES, SeededNode
from protocol.v1 import agents_pb2 as pb

POWER_DELAY = 1.0  # seconds a node takes to lose or gain power

logger = logging.getLogger("fleet")


class StandingRunner(FakeRunner):
    """Workers that stand up again when the simulation is started again, as if they had never been away."""

    async def adopt(self, kept: "list[Kept]", begun: "list[int]", mark: str) -> None:  # type: ignore[override]  # noqa: ARG002
        """Open the doors of all workers of the last simulation."""
        for worker in list(kept):
            await self.start(
                pb.StartWorker(worker_id=worker.worker_id, job_id=worker.job_id, device_indexes=worker.devices)
            )


class Node:
    """A machine with a BMC that can switch it off: then its agent and all its workers are gone at once."""

    boot_time = 5.0  # seconds from power to the agent's hello

    def __init__(self, seeded: SeededNode, server: Server, folder: Path) -> None:
        self.name = seeded.name
        self._seeded, self._server, self._folder = seeded, server, folder / seeded.name
        self._power_file = self._folder / "power.json"
        self._on, self._off = asyncio.Event(), asyncio.Event()
        self.agent: Agent | None = None

    async def start_bmc(self, user: str, password: str) -> SimulatedBmc:
        """Listen on the BMC's UDP port, with the power as it was when the last simulation ended."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        state = self._remembered()
        self._flip(state)
        bmc = SimulatedBmc(
            user.encode(),
            password.encode(),
            state=state,
            delay=POWER_DELAY,
            on_power=lambda _bmc, new: self._heard(new),
        )
        return await start_bmc(bmc, BmcAddress("127.0.0.1", self._seeded.bmc_port))

    async def live(self) -> None:
        """Boot when there is power, vanish when there is none, for ever."""
        runner: FakeRunner = StandingRunner()
        while True:
            await self._on.wait()
            agent = self.make_agent(runner)
            await agent.start()
            self.agent = agent
            try:
                await self._off.wait()
            finally:
                self.agent = None
                await agent.abandon()
            await self._on.wait()
            await asyncio.sleep(self.boot_time)
            runner = FakeRunner()

    async def up(self) -> None:
        """Wait until the manager has welcomed the node's agent.

        A node without power is not waited for, nor one that an operator deleted or gave another key.
        """
        while self._on.is_set() and not (self.agent and (self.agent.welcomed.is_set() or self.agent.unknown)):
            await asyncio.sleep(0.05)

    def make_agent(self, runner: FakeRunner) -> Agent:
        """Make the agent that starts when the node has booted."""
        return Agent(
            self._server,
            self._seeded.key,
            self._folder,
            FakeDevices(DEVICES, DEVICE_MODEL, DEVICE_MEMORY),
            runner,
            host_name=self.name,
            software={"driver": "6.2 (simulated)"},
            backoff=Backoff(longest=3.0),
        )

    def _heard(self, state: PowerState) -> None:
        logger.info("%s: power %s", self.name, state)
        self._power_file.write_text(json.dumps(str(state)))
        self._flip(state)

    def _flip(self, state: PowerState) -> None:
        now, before = (self._on, self._off) if state is PowerState.ON else (self._off, self._on)
        before.clear()
        now.set()

    def _remembered(self) -> PowerState:
        known = self._power_file.read_text() if self._power_file.exists() else ""
        return PowerState(json.loads(known)) if known else PowerState.ON
