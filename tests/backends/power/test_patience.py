"""The retry loop on a scripted BMC and a clock of its own: exact pauses, exact sends."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from backends.power.driver import BmcBusy, BmcSilent, PowerCommand, PowerError, PowerState, WrongLogin
from backends.power.patience import Patience, Verdict, after_crash

ON, OFF, UNKNOWN = PowerState.ON, PowerState.OFF, PowerState.UNKNOWN
SILENT, WRONG, BUSY = BmcSilent("no answer"), WrongLogin("wrong"), BmcBusy("busy")


@dataclass
class Script:
    """Looks come from a list, the last one for ever; sends are answered, lost (False) or refused."""

    looks: list[PowerState | PowerError]
    answers: list[bool | PowerError] = field(default_factory=list)
    time: float = 0.0
    sent: list[tuple[str, float]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def look(self) -> PowerState:
        seen = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(seen, PowerError):
            raise seen
        return seen

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
    patience = Patience(script, lambda _: None, lambda: script.time, script.sleep)
    try:
        outcome = patience.carry_out(PowerCommand(command))
    except PowerError as error:
        return error.code, ""
    return str(outcome.verdict), str(outcome.state)


# (command, looks, answers) → (end, sent with the second it left)
Looks = list[PowerState | PowerError]
Answers = list[bool | PowerError]
CASES: dict[str, tuple[str, Looks, Answers, tuple[str, str], list[tuple[str, float]]]] = {
    "on, and it is on": ("on", [ON], [], ("confirmed", "on"), []),
    "on, seen at the third look": ("on", [OFF, OFF, OFF, ON], [], ("confirmed", "on"), [("on", 0)]),
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
def test_carry_out(case: str) -> None:
    command, looks, answers, end, sent = CASES[case]
    script = Script(list(looks), list(answers))
    assert carry_out(script, command) == end
    assert script.sent == sent


def test_pauses_are_the_fixed_list() -> None:
    script = Script([SILENT])
    carry_out(script, "on")
    assert script.slept == [1, 2, 4, 8, 15]


def test_a_record_that_fails_stops_everything() -> None:
    script = Script([ON])

    def lose(_: PowerCommand) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        Patience(script, lose, lambda: 0.0, script.sleep).carry_out(PowerCommand.RESET)
    assert script.sent == []


def test_the_watcher_hears_every_look() -> None:
    script = Script([SILENT, OFF, ON])
    heard: list[PowerState | PowerError] = []
    patience = Patience(script, lambda _: None, lambda: script.time, script.sleep, on_look=heard.append)
    assert patience.carry_out(PowerCommand.ON).verdict is Verdict.CONFIRMED
    assert heard == [SILENT, OFF, ON]


AFTER_CRASH = {
    "nothing sent": ("reset", [], "reset"),
    "reset sent": ("reset", ["reset"], None),
    "soft sent": ("soft", ["soft"], None),
    "off of a cycle sent": ("cycle", ["off"], "cycle"),
    "on of a cycle sent": ("cycle", ["off", "on"], "on"),
    "off sent": ("off", ["off"], "off"),
}


@pytest.mark.parametrize("case", AFTER_CRASH)
def test_after_crash(case: str) -> None:
    command, sent, left = AFTER_CRASH[case]
    assert after_crash(PowerCommand(command), [PowerCommand(word) for word in sent]) == left
