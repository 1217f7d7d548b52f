"""How a power command is carried out against a slow, silent or wrong BMC. Pure: time and sleep are arguments."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from backends.power.driver import NeverAgreed, PowerCommand, PowerError, PowerState, Unsupported

T = TypeVar("T")

PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)  # seconds; BMCs answer late more often than never
GAP = 5.0  # seconds between commands to one BMC: some firmware falls over
SOFT_PAUSES = (5.0, 10.0, 15.0, 30.0, 60.0, 60.0)  # seconds an operating system may take to shut down
RESEND_AFTER = 10.0  # seconds an unanswered on or off may still take effect; only then it is sent again


class Verdict(StrEnum):
    CONFIRMED = "confirmed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended: confirmed, or unknown and to be decided by a person; and the power last seen."""

    verdict: Verdict
    state: PowerState


class Bmc(Protocol):
    """One BMC as patience needs it. Every method raises PowerError."""

    def look(self) -> PowerState: ...

    def send(self, command: PowerCommand, on_sent: Callable[[], None]) -> bool:
        """Send a control exactly once, after `on_sent`; False when no answer came."""
        ...

    def reconnect(self) -> None: ...


def _ignore(_: PowerState | PowerError) -> None:
    """Watch nothing."""


@dataclass(slots=True)
class Patience:
    """Carries out one command on one BMC.

    `on_sent(command)` is called before the packet of a control leaves: record SENT there; raising forbids the packet.
    `on_look` hears each power state seen and each transient error.
    """

    bmc: Bmc
    on_sent: Callable[[PowerCommand], None]
    now: Callable[[], float]
    sleep: Callable[[float], None]
    on_look: Callable[[PowerState | PowerError], None] = _ignore
    pauses: tuple[float, ...] = PAUSES
    gap: float = GAP
    resend_after: float = RESEND_AFTER
    soft_pauses: tuple[float, ...] = SOFT_PAUSES
    _sent_at: float | None = None

    def carry_out(self, command: PowerCommand) -> Outcome:
        """Do a command; raises PowerError: a fatal one at once, the last transient one or NeverAgreed in the end."""
        if command is PowerCommand.SOFT:
            return self._soft()
        if command is PowerCommand.RESET:
            return self._reset()
        if command in (PowerCommand.OFF, PowerCommand.CYCLE):
            seen = self._reach(PowerState.OFF)
        if command in (PowerCommand.ON, PowerCommand.CYCLE):
            seen = self._reach(PowerState.ON)
        if command is PowerCommand.RECONNECT:
            self._insist(self.bmc.reconnect)
        if command in (PowerCommand.STATUS, PowerCommand.RECONNECT):
            seen = self._insist(self._look)
        return Outcome(Verdict.CONFIRMED, seen)

    def _reach(self, target: PowerState) -> PowerState:
        """Look, send when the node disagrees, look until it agrees; what was answered is never sent again."""
        command = PowerCommand.ON if target is PowerState.ON else PowerCommand.OFF
        due = -math.inf
        for pause in self.pauses:
            try:
                if self._look() is target:
                    return target
                if self.now() >= due:
                    due = math.inf if self._send(command) else self.now() + self.resend_after
            except PowerError as error:
                self._bear(error)
            self.sleep(pause)
        if self._look() is not target:
            raise NeverAgreed(f"the BMC answers, but the node did not turn {target}")
        return target

    def _soft(self) -> Outcome:
        if self._insist(self._look) is PowerState.OFF:
            return Outcome(Verdict.CONFIRMED, PowerState.OFF)
        answered = self._send_once(PowerCommand.SOFT)
        seen = self._watch_for(PowerState.OFF, self.soft_pauses)
        if answered and seen is not PowerState.OFF:
            raise NeverAgreed("the operating system did not shut the node down")
        return Outcome(Verdict.CONFIRMED if seen is PowerState.OFF else Verdict.UNKNOWN, seen)

    def _reset(self) -> Outcome:
        if self._insist(self._look) is PowerState.OFF:
            raise Unsupported("the node is off: there is nothing to reset")
        answered = self._send_once(PowerCommand.RESET)
        seen = self._watch_for(PowerState.ON, self.pauses)
        return Outcome(Verdict.CONFIRMED if answered else Verdict.UNKNOWN, seen)

    def _send_once(self, command: PowerCommand) -> bool:
        """Try again only while the packet has not left; raises what the BMC refused it with."""
        return self._insist(lambda: self._send(command), unless=lambda: self._sent_at is not None)

    def _insist(self, act: Callable[[], T], unless: Callable[[], bool] = lambda: False) -> T:
        for pause in self.pauses:
            try:
                return act()
            except PowerError as error:
                if unless():
                    raise
                self._bear(error)
            self.sleep(pause)
        return act()

    def _watch_for(self, target: PowerState, pauses: tuple[float, ...]) -> PowerState:
        """Look along the pauses and return the last state seen; the deed is done, so no error may hide it."""
        seen = PowerState.UNKNOWN
        for pause in (0.0, *pauses):
            self.sleep(pause)
            try:
                seen = self._look()
            except PowerError as error:
                self.on_look(error)
            if seen is target:
                break
        return seen

    def _look(self) -> PowerState:
        state = self.bmc.look()
        self.on_look(state)
        return state

    def _send(self, command: PowerCommand) -> bool:
        if self._sent_at is not None:
            self.sleep(max(0.0, self._sent_at + self.gap - self.now()))
        return self.bmc.send(command, lambda: self._leaves(command))

    def _leaves(self, command: PowerCommand) -> None:
        self.on_sent(command)
        self._sent_at = self.now()

    def _bear(self, error: PowerError) -> None:
        if error.fatal:
            raise error
        self.on_look(error)


def after_crash(command: PowerCommand, sent: Collection[PowerCommand]) -> PowerCommand | None:
    """Say what is left to do when a worker died after `sent` was recorded; None: send nothing, it ends as UNKNOWN."""
    if command in (PowerCommand.RESET, PowerCommand.SOFT) and sent:
        return None
    if command is PowerCommand.CYCLE and PowerCommand.ON in sent:
        return PowerCommand.ON
    return command
