"""Power operations on a scripted BMC with a clock of its own: exact pauses, exact sends."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from backends.power.driver import PowerCommand, PowerState
from backends.power.errors import BmcBusy, BmcSilent, PowerError, WrongLogin
from backends.power.operation import PowerOperation, remaining_command

ON, OFF, UNKNOWN = PowerState.ON, PowerState.OFF, PowerState.UNKNOWN
SILENT, WRONG, BUSY = BmcSilent("no answer"), WrongLogin("wrong"), BmcBusy("busy")


@dataclass
class Script:
    """A BMC whose readings come from a list, the last one for ever; sends are answered, lost (False) or refused."""

    readings: list[PowerState | PowerError]
    answers: list[bool | PowerError] = field(default_factory=list)
    time: float = 0.0
    sent: list[tuple[str, float]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def read_power(self) -> PowerState:
        reading = self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]
        if isinstance(reading, PowerError):
            raise reading
        return reading

    def send(self, command: PowerCommand, on_sent: Callable[[], None]) -> bool:
        answer = self.answers.pop(0) if self.answers else True
        if answer is SILENT:
            raise SILENT  # the login before it failed: nothing left
        on_sent()
        self.sent.append((str(command), self.time))
        if isinstance(answer, PowerError):
            raise answer
        return answer

    def reconnect(self) -> None:
        self.sent.append(("login", self.time))

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


def carry_out(script: Script, command: str) -> tuple[str, str]:
    operation = PowerOperation(script, lambda _: None, lambda: script.time, script.sleep)
    try:
        result = operation.carry_out(PowerCommand(command))
    except PowerError as error:
        return error.code, ""
    return "confirmed" if result.confirmed else "unknown", str(result.state)


# (command, readings, answers) → (end, sent with the second at which it was sent)
Readings = list[PowerState | PowerError]
Answers = list[bool | PowerError]
CASES: dict[str, tuple[str, Readings, Answers, tuple[str, str], list[tuple[str, float]]]] = {
    "on, and it is on": ("on", [ON], [], ("confirmed", "on"), []),
    "on, read at the third reading": ("on", [OFF, OFF, OFF, ON], [], ("confirmed", "on"), [("on", 0)]),
    "on, answered and never seen": ("on", [OFF], [], ("IPMI_ERROR", ""), [("on", 0)]),
    "on, lost and never seen: again after a while": (
        "on", [OFF], [False], ("IPMI_ERROR", ""), [("on", 0), ("on", 15)],
    ),
    "off, lost but done": ("off", [ON, OFF], [False], ("confirmed", "off"), [("off", 0)]),
    "off, silent twice, then done": ("off", [SILENT, SILENT, ON, OFF], [], ("confirmed", "off"), [("off", 3)]),
    "off, silent for ever": ("off", [SILENT], [], ("BMC_SILENT", ""), []),
    "off, busy and then done": ("off", [ON, ON, OFF], [BUSY], ("confirmed", "off"), [("off", 0), ("off", 5)]),
    "off, wrong login": ("off", [WRONG], [], ("WRONG_LOGIN", ""), []),
    "cycle": ("cycle", [ON, OFF, OFF, ON], [], ("confirmed", "on"), [("off", 0), ("on", 5)]),
    "cycle of a node that is off": ("cycle", [OFF, OFF, ON], [], ("confirmed", "on"), [("on", 0)]),
    "cycle, never seen off: never sent on": ("cycle", [ON], [], ("IPMI_ERROR", ""), [("off", 0)]),
    "reset, answered": ("reset", [ON], [], ("confirmed", "on"), [("reset", 0)]),
    "reset, lost": ("reset", [ON], [False], ("unknown", "on"), [("reset", 0)]),
    "reset, lost and silent ever after": ("reset", [ON, SILENT], [False], ("unknown", "unknown"), [("reset", 0)]),
    "reset, not left at first": ("reset", [ON], [SILENT, SILENT, True], ("confirmed", "on"), [("reset", 3)]),
    "reset, refused as busy": ("reset", [ON], [BUSY, True], ("BMC_BUSY", ""), [("reset", 0)]),
    "reset of a node that is off": ("reset", [OFF], [], ("UNSUPPORTED", ""), []),
    "soft, seen off": ("soft", [ON, ON, OFF], [], ("confirmed", "off"), [("soft", 0)]),
    "soft, lost but seen off": ("soft", [ON, ON, OFF], [False], ("confirmed", "off"), [("soft", 0)]),
    "soft, lost and never seen": ("soft", [ON], [False], ("unknown", "on"), [("soft", 0)]),
    "soft, the system stays up": ("soft", [ON], [], ("IPMI_ERROR", ""), [("soft", 0)]),
    "status, silent once": ("status", [SILENT, OFF], [], ("confirmed", "off"), []),
    "reconnect": ("reconnect", [ON], [], ("confirmed", "on"), [("login", 0)]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_command_ends_as_the_table_says(case: str) -> None:
    command, readings, answers, end, sent = CASES[case]
    script = Script(list(readings), list(answers))
    assert carry_out(script, command) == end
    assert script.sent == sent


def test_pauses_are_the_fixed_list() -> None:
    script = Script([SILENT])
    carry_out(script, "on")
    assert script.slept == [1, 2, 4, 8, 15]


def test_nothing_is_sent_when_it_cannot_be_recorded() -> None:
    script = Script([ON])

    def lose(_: PowerCommand) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        PowerOperation(script, lose, lambda: 0.0, script.sleep).carry_out(PowerCommand.RESET)
    assert script.sent == []


def test_every_reading_and_transient_error_is_reported() -> None:
    script = Script([SILENT, OFF, ON])
    readings: list[PowerState | PowerError] = []
    operation = PowerOperation(script, lambda _: None, lambda: script.time, script.sleep, on_reading=readings.append)
    assert operation.carry_out(PowerCommand.ON).confirmed
    assert readings == [SILENT, OFF, ON]


REMAINING = {
    "nothing sent": ("reset", [], "reset"),
    "reset sent": ("reset", ["reset"], None),
    "soft sent": ("soft", ["soft"], None),
    "off of a cycle sent": ("cycle", ["off"], "cycle"),
    "on of a cycle sent": ("cycle", ["off", "on"], "on"),
    "off sent": ("off", ["off"], "off"),
}


@pytest.mark.parametrize("case", REMAINING)
def test_a_crash_leaves_the_rest_of_a_command(case: str) -> None:
    command, sent, left = REMAINING[case]
    assert remaining_command(PowerCommand(command), [PowerCommand(word) for word in sent]) == left
