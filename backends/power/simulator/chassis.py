"""The machine behind a simulated BMC: its power state, and every chassis control that it executed."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from backends.power.driver import PowerCommand, PowerState

CONTROLS = {
    0: PowerCommand.OFF,
    1: PowerCommand.ON,
    2: PowerCommand.CYCLE,
    3: PowerCommand.RESET,
    5: PowerCommand.SOFT,
}
OK, UNKNOWN_CONTROL, NOT_NOW = 0x00, 0xCC, 0xD5


@dataclass(frozen=True, slots=True)
class ExecutedCommand:
    """A chassis control that was executed, the time by the host's clock in seconds, and the power state before it."""

    command: PowerCommand
    at: float
    found: PowerState


class Chassis:
    """A machine that is on or off and takes `delay` seconds to change.

    `on_power` is called when the node loses and regains power; for a reset with OFF, then ON, though `state` stays ON.
    """

    def __init__(self, state: PowerState, delay: float, on_power: Callable[[PowerState], None]) -> None:
        self.state = self._notified = state
        self.delay = delay
        self.executed: list[ExecutedCommand] = []
        self._on_power = on_power
        self._pending: asyncio.TimerHandle | None = None

    def count(self, command: PowerCommand) -> int:
        """Return how often a command was executed."""
        return sum(executed.command == command for executed in self.executed)

    def control(self, number: int) -> int:
        """Execute a chassis control (28.3) and return its completion code."""
        command = CONTROLS.get(number)
        return UNKNOWN_CONTROL if command is None else self.execute(command)

    def execute(self, command: PowerCommand) -> int:
        """Execute a command, of whatever protocol, and return OK or NOT_NOW."""
        if self.state is PowerState.OFF and command in (PowerCommand.CYCLE, PowerCommand.RESET, PowerCommand.SOFT):
            return NOT_NOW
        self.executed.append(ExecutedCommand(command, time.time(), self.state))
        self._carry_out(command)
        return OK

    def _carry_out(self, command: PowerCommand) -> None:
        if command is PowerCommand.RESET:
            self._notify(PowerState.OFF)
            self._later(lambda: self._become(PowerState.ON))
        elif command is PowerCommand.CYCLE:
            self._later(self._off_then_on)
        else:
            target = PowerState.ON if command is PowerCommand.ON else PowerState.OFF
            self._later(lambda: self._become(target))

    def _off_then_on(self) -> None:
        self._become(PowerState.OFF)
        self._later(lambda: self._become(PowerState.ON))

    def _become(self, state: PowerState) -> None:
        self.state = state
        self._notify(state)

    def _notify(self, state: PowerState) -> None:
        if self._notified is not state:
            self._notified = state
            self._on_power(state)

    def _later(self, act: Callable[[], None]) -> None:
        if self._pending:
            self._pending.cancel()
        self._pending = asyncio.get_running_loop().call_later(self.delay, act)
