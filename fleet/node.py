import asyncio
import json
import logging
from pathlib import Path

from backends.power.driver import BmcAddress, PowerState
from backends.power.redfish_simulator import RedfishBmc, ServerCertificate, start_redfish_bmc
from backends.power.simulator import SimulatedBmc, start_bmc
from clients.agent import Agent, FakeRunner
from clients.backoff import Backoff
from clients.channel import Server
from fleet.faults import FaultBook, Mend, SimulatedDevices
from fleet.machine import SimulatedMachine
from fleet.roster import DEVICE_MEMORY, DEVICE_MODEL, DEVICES, SeededNode
from fleet.runner import FaultyRunner, StandingRunner

POWER_DELAY = 1.0  # seconds a node takes to lose or gain power
LOOK = 1.0  # seconds between two looks at whether it is cut off

logger = logging.getLogger("fleet")


class Node:
    """A machine with a BMC that can switch it off: then its agent and all its workers are gone at once."""

    boot_time = 5.0  # seconds from power to the agent's hello

    def __init__(self, seeded: SeededNode, server: Server, folder: Path) -> None:
        self.name = seeded.name
        self._seeded, self._server, self._folder = seeded, server, folder / seeded.name
        self._power_file = self._folder / "power.json"
        self._on, self._off = asyncio.Event(), asyncio.Event()
        self._rebooted = asyncio.Event()
        self.agent: Agent | None = None
        self.faults = FaultBook(self._folder)
        self.devices = SimulatedDevices(self.faults, DEVICES, DEVICE_MODEL, DEVICE_MEMORY, name=seeded.name)

    async def start_bmc(
        self, user: str, password: str, certificate: ServerCertificate | None = None
    ) -> SimulatedBmc | RedfishBmc:
        """Listen on the BMC's port, with the power as it was when the last simulation ended.

        `certificate` is what a BMC shows that speaks Redfish.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        state = self._remembered()
        self._flip(state)
        address, login = BmcAddress("127.0.0.1", self._seeded.bmc_port), (user.encode(), password.encode())

        def heard(bmc: SimulatedBmc | RedfishBmc, new: PowerState) -> None:
            self._heard(new, reset=bmc.chassis.state is not new)

        if self._seeded.bmc_driver == "redfish" and certificate:
            redfish = RedfishBmc(*login, state=state, delay=POWER_DELAY, on_power=heard)
            return await start_redfish_bmc(redfish, address, certificate)
        return await start_bmc(SimulatedBmc(*login, state=state, delay=POWER_DELAY, on_power=heard), address)

    async def live(self) -> None:
        """Boot when there is power, vanish when there is none, for ever."""
        runner: FakeRunner = StandingRunner(self.devices)
        while True:
            await self._on.wait()
            while self.faults.is_cut_off:
                await asyncio.sleep(LOOK)
            agent = self.make_agent(runner)
            await agent.start()
            self.agent = agent
            try:
                await self._wait_for_end()
            finally:
                self.agent = None
                await agent.abandon()
            await self._on.wait()
            await asyncio.sleep(self.boot_time)
            runner = FaultyRunner(self.devices, runner.outputs)  # what was written is still on its disk

    async def _wait_for_end(self) -> None:
        """Wait until the node loses power, is rebooted or is cut off."""
        self._rebooted.clear()
        ends = [asyncio.create_task(end) for end in (self._off.wait(), self._rebooted.wait(), self._until_cut_off())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()

    async def _until_cut_off(self) -> None:
        while not self.faults.is_cut_off:
            await asyncio.sleep(LOOK)

    async def up(self) -> None:
        """Wait until the manager has welcomed the node's agent.

        A node without power or network is not waited for, nor one that an operator deleted or gave another key.
        """
        while (
            self._on.is_set()
            and not self.faults.is_cut_off
            and not (self.agent and (self.agent.welcomed.is_set() or self.agent.unknown))
        ):
            await asyncio.sleep(0.05)

    def make_agent(self, runner: FakeRunner) -> Agent:
        """Make the agent that starts when the node has booted."""
        return Agent(
            self._server,
            self._seeded.key,
            self._folder,
            self.devices,
            runner,
            host_name=self.name,
            software={"driver": "6.2 (simulated)"},
            backoff=Backoff(longest=3.0),
            run_check=self.devices.check,
            machine=SimulatedMachine(self.devices, self._rebooted.set),
        )

    def _heard(self, state: PowerState, *, reset: bool) -> None:
        """Follow the power; `reset`: the machine starts anew without losing it."""
        logger.info("%s: power %s", self.name, state)
        self._power_file.write_text(json.dumps(str(state)))
        if state is PowerState.OFF:
            self.devices.mend(Mend.REBOOT if reset else Mend.POWER_CYCLE)
        self._flip(state)

    def _flip(self, state: PowerState) -> None:
        now, before = (self._on, self._off) if state is PowerState.ON else (self._off, self._on)
        before.clear()
        now.set()

    def _remembered(self) -> PowerState:
        known = self._power_file.read_text() if self._power_file.exists() else ""
        return PowerState(json.loads(known)) if known else PowerState.ON
