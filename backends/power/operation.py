"""The retries and deadlines of a power operation on a slow, silent or wrong BMC. Pure: time and sleep are arguments."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol, TypeVar

from backends.power.driver import PowerCommand, PowerState
from backends.power.errors import PowerError, StateNotReached, Unsupported

T = TypeVar("T")

PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)  # seconds; BMCs answer late more often than never
COMMAND_GAP = 5.0  # seconds between commands to one BMC: the firmware of some fails otherwise
SOFT_PAUSES = (5.0, 10.0, 15.0, 30.0, 60.0, 60.0)  # seconds an operating system may take to shut down
RESEND_AFTER = 10.0  # seconds an unanswered on or off may still take effect; only then it is sent again


@dataclass(frozen=True, slots=True)
class OperationResult:
    """How a command ended, and the last power state that was read.

    Unless `confirmed`, the command was sent, whether it took effect is not known, and a person decides what to do.
    """

    confirmed: bool
    state: PowerState


class BmcConnection(Protocol):
    """One BMC as a power operation needs it. Every method raises PowerError."""

    def read_power(self) -> PowerState:
        """Return the power state that the BMC reports."""
        ...

    def send(self, command: PowerCommand, on_sent: Callable[[], None]) -> bool:
        """Send a control exactly once, after `on_sent`; return False when no answer came."""
        ...

    def reconnect(self) -> None:
        """Log in anew."""
        ...


def _ignore(_: PowerState | PowerError) -> None:
    """Do nothing with a reading."""


@dataclass(slots=True)
class PowerOperation:
    """Carries out one command on one BMC.

    `on_sent(command)` is called before the packet of a control is sent: record SENT there; raising forbids the packet.
    `on_reading` is called with each power state that is read and each transient error.
    """

    bmc: BmcConnection
    on_sent: Callable[[PowerCommand], None]
    now: Callable[[], float]
    sleep: Callable[[float], None]
    on_reading: Callable[[PowerState | PowerError], None] = _ignore
    pauses: tuple[float, ...] = PAUSES
    command_gap: float = COMMAND_GAP
    resend_after: float = RESEND_AFTER
    soft_pauses: tuple[float, ...] = SOFT_PAUSES
    _sent_at: float | None = None

    def carry_out(self, command: PowerCommand) -> OperationResult:
        """Carry out a command and return how it ended.

        Raises PowerError: a fatal one at once; after the last retry the last transient one, or StateNotReached.
        """
        if command is PowerCommand.SOFT:
            return self._soft()
        if command is PowerCommand.RESET:
            return self._reset()
        if command in (PowerCommand.OFF, PowerCommand.CYCLE):
            state = self._reach(PowerState.OFF)
        if command in (PowerCommand.ON, PowerCommand.CYCLE):
            state = self._reach(PowerState.ON)
        if command is PowerCommand.RECONNECT:
            self._retry(self.bmc.reconnect)
        if command in (PowerCommand.STATUS, PowerCommand.RECONNECT):
            state = self._retry(self._read)
        return OperationResult(confirmed=True, state=state)

    def _reach(self, target: PowerState) -> PowerState:
        """Read the power, send the command while it differs, and read until it is as wanted.

        A command that was answered is never sent again.
        """
        command = PowerCommand.ON if target is PowerState.ON else PowerCommand.OFF
        due = -math.inf
        for pause in self.pauses:
            try:
                if self._read() is target:
                    return target
                if self.now() >= due:
                    due = math.inf if self._send(command) else self.now() + self.resend_after
            except PowerError as error:
                self._require_transient(error)
            self.sleep(pause)
        if self._read() is not target:
            raise StateNotReached(f"the BMC answers, but the node did not turn {target}")
        return target

    def _soft(self) -> OperationResult:
        if self._retry(self._read) is PowerState.OFF:
            return OperationResult(confirmed=True, state=PowerState.OFF)
        answered = self._send_once(PowerCommand.SOFT)
        state = self._wait_for(PowerState.OFF, self.soft_pauses)
        if answered and state is not PowerState.OFF:
            raise StateNotReached("the operating system did not shut the node down")
        return OperationResult(confirmed=state is PowerState.OFF, state=state)

    def _reset(self) -> OperationResult:
        if self._retry(self._read) is PowerState.OFF:
            raise Unsupported("the node is off: there is nothing to reset")
        answered = self._send_once(PowerCommand.RESET)
        return OperationResult(confirmed=answered, state=self._wait_for(PowerState.ON, self.pauses))

    def _send_once(self, command: PowerCommand) -> bool:
        """Retry only until the packet is sent; raises the error with which the BMC refused it."""
        return self._retry(lambda: self._send(command), unless=lambda: self._sent_at is not None)

    def _retry(self, act: Callable[[], T], unless: Callable[[], bool] = lambda: False) -> T:
        """Return the result of `act`, which is called again after transient errors, except when `unless` is true."""
        for pause in self.pauses:
            try:
                return act()
            except PowerError as error:
                if unless():
                    raise
                self._require_transient(error)
            self.sleep(pause)
        return act()

    def _wait_for(self, target: PowerState, pauses: tuple[float, ...]) -> PowerState:
        """Read the power until it is as wanted or the pauses are over; return the last state that was read.

        Errors are not raised: the command was sent, and its result must not be lost.
        """
        state = PowerState.UNKNOWN
        for pause in (0.0, *pauses):
            self.sleep(pause)
            try:
                state = self._read()
            except PowerError as error:
                self.on_reading(error)
            if state is target:
                break
        return state

    def _read(self) -> PowerState:
        state = self.bmc.read_power()
        self.on_reading(state)
        return state

    def _send(self, command: PowerCommand) -> bool:
        if self._sent_at is not None:
            self.sleep(max(0.0, self._sent_at + self.command_gap - self.now()))
        return self.bmc.send(command, lambda: self._record_sent(command))

    def _record_sent(self, command: PowerCommand) -> None:
        self.on_sent(command)
        self._sent_at = self.now()

    def _require_transient(self, error: PowerError) -> None:
        """Raise an error that a retry cannot help; report any other one."""
        if error.fatal:
            raise error
        self.on_reading(error)


def remaining_command(command: PowerCommand, sent: Collection[PowerCommand]) -> PowerCommand | None:
    """Return what is left to do when a worker died after the commands in `sent` were recorded.

    None: nothing more may be sent, and the action ends as UNKNOWN.
    """
    if command in (PowerCommand.RESET, PowerCommand.SOFT) and sent:
        return None
    if command is PowerCommand.CYCLE and PowerCommand.ON in sent:
        return PowerCommand.ON
    return command
