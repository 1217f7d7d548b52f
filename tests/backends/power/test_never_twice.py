"""No power command is executed more often than requested, and each ends confirmed, failed or unknown."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backends.power.driver import PowerCommand
from backends.power.errors import BmcBusy, PowerError, Unsupported
from backends.power.operation import PowerOperation
from backends.power.pool import DriverPool, PooledBmc
from tests.backends.power.bmcs import Bmc, Fleet

PAUSES = (0.05, 0.1, 0.2, 0.4)

# with either driver. What happens: (command, faults, how it ends, power at the end, what the BMC carried out)
CASES: dict[str, tuple[str, dict[str, Any], str, str, dict[str, int]]] = {
    "reset, answered": ("reset", {}, "confirmed", "on", {"reset": 1}),
    "reset, one answer lost": ("reset", {"lost_replies": 1}, "unknown", "on", {"reset": 1}),
    "reset, never answered": ("reset", {"lost_replies": 99}, "unknown", "on", {"reset": 1}),
    "reset, refused as busy": ("reset", {"busy": True}, "BMC_BUSY", "on", {}),
    "reset, carried out but answered with a time-out": ("reset", {"times_out": True}, "unknown", "on", {"reset": 1}),
    "off, answered": ("off", {}, "confirmed", "off", {"off": 1}),
    "off, one answer lost": ("off", {"lost_replies": 1}, "confirmed", "off", {"off": 1}),
    "on, already on": ("on", {}, "confirmed", "on", {}),
    "off, answered without acting": ("off", {"ignores_commands": True}, "IPMI_ERROR", "on", {}),
    "off, neither answered nor acted": ("off", {"ignores_commands": True, "lost_replies": 99}, "IPMI_ERROR", "on", {}),
    "soft, one answer lost": ("soft", {"lost_replies": 1}, "confirmed", "off", {"soft": 1}),
    "soft, answered without acting": ("soft", {"ignores_commands": True}, "IPMI_ERROR", "on", {}),
    "cycle, answered": ("cycle", {}, "confirmed", "on", {"off": 1, "on": 1}),
    "cycle, both answers lost": ("cycle", {"lost_replies": 2}, "confirmed", "on", {"off": 1, "on": 1}),
}
# with Redfish alone
REDFISH_CASES: dict[str, tuple[str, dict[str, Any], str, str, dict[str, int]]] = {
    "reset, the connection breaks": ("reset", {"breaks": True}, "unknown", "on", {"reset": 1}),
    "reset, redirected": ("reset", {"redirects": True}, "unknown", "on", {}),
    "reset, not offered": ("reset", {"lacks": "ForceRestart"}, "UNSUPPORTED", "on", {}),
    "reset, not offered by the action's info": (
        "reset", {"lacks": "ForceRestart", "action_info": True}, "UNSUPPORTED", "on", {},
    ),
    "reset, offered by the action's info": ("reset", {"action_info": True}, "confirmed", "on", {"reset": 1}),
    "reset, a task that ends": ("reset", {"task": "short"}, "confirmed", "on", {"reset": 1}),
    "reset, a task that fails": ("reset", {"task": "fails"}, "unknown", "on", {"reset": 1}),
    "reset, a task without end": ("reset", {"task": "endless"}, "unknown", "on", {"reset": 1}),
    "off, a task without end": ("off", {"task": "endless"}, "confirmed", "off", {"off": 1}),
    "off, the connection breaks": ("off", {"breaks": True}, "confirmed", "off", {"off": 1}),
    "on, only ForceOn is offered": ("cycle", {"lacks": "On"}, "confirmed", "on", {"off": 1, "on": 1}),
    "soft, not offered": ("soft", {"lacks": "GracefulShutdown"}, "UNSUPPORTED", "on", {}),
    "cycle, each a task": ("cycle", {"task": "short"}, "confirmed", "on", {"off": 1, "on": 1}),
}  # fmt: skip
BY_DRIVER = {
    "ipmi": CASES,
    "redfish": {case: CASES[case] for case in CASES if case != "cycle, both answers lost"} | REDFISH_CASES,
}


@pytest.fixture(params=["fleet", "redfish"], ids=["ipmi", "redfish"])
def bmcs(request: pytest.FixtureRequest) -> Fleet:
    """Return the simulated BMCs of each driver in turn."""
    fleet: Fleet = request.getfixturevalue(request.param)
    return fleet


def carry_out(pool: DriverPool, bmc: Bmc, command: str) -> str:
    operation = PowerOperation(
        PooledBmc(pool, bmc.login),
        lambda _: None,
        time.monotonic,
        time.sleep,
        pauses=PAUSES,
        soft_pauses=PAUSES,
        command_gap=0,
    )
    try:
        return "confirmed" if operation.carry_out(PowerCommand(command)).confirmed else "unknown"
    except PowerError as error:
        return error.code


def test_each_command_is_carried_out_as_often_as_expected(bmcs: Fleet, pool: DriverPool) -> None:
    cases = BY_DRIVER[bmcs.driver]
    each = {case: bmcs.one().fails(**faults) for case, (_, faults, _, _, _) in cases.items()}
    with ThreadPoolExecutor(len(cases)) as threads:
        ends = dict(
            zip(cases, threads.map(lambda case: carry_out(pool, each[case], cases[case][0]), cases), strict=True)
        )
    seen = {case: (ends[case], bmc.state(), bmc.executed()) for case, bmc in each.items()}
    assert seen == {case: (end, state, executed) for case, (_, _, end, state, executed) in cases.items()}


def test_sent_is_recorded_before_the_packet_leaves(bmcs: Fleet, pool: DriverPool) -> None:
    bmc, seen = bmcs.one(), []
    assert pool.control(bmc.login, PowerCommand.RESET, lambda: seen.append(bmc.executed()))
    assert (seen, bmc.executed()) == ([{}], {"reset": 1})


def test_what_could_not_be_recorded_is_not_sent(bmcs: Fleet, pool: DriverPool) -> None:
    bmc = bmcs.one()

    def lose_the_database() -> None:
        raise ConnectionError("database gone")

    with pytest.raises(ConnectionError, match="database gone"):
        pool.control(bmc.login, PowerCommand.RESET, lose_the_database)
    assert pool.control(bmc.login, PowerCommand.OFF, lambda: None)  # the BMC is still served
    assert bmc.executed() == {"off": 1}


@pytest.mark.parametrize(
    ("lost_replies", "dies", "executed"), [(0, "before it sends", {}), (1, "waiting", {"reset": 1})]
)
def test_a_driver_killed_after_sent_leaves_it_unanswered(
    bmcs: Fleet, lost_replies: int, dies: str, executed: dict[str, int]
) -> None:
    bmc, pool = bmcs.one().fails(lost_replies=lost_replies), DriverPool(healthy=1)
    try:
        pool.state(bmc.login)
        [pid] = pool.pids()

        def on_sent() -> None:
            if dies == "before it sends":
                os.kill(pid, signal.SIGKILL)

        with ThreadPoolExecutor(1) as thread:
            answered = thread.submit(pool.control, bmc.login, PowerCommand.RESET, on_sent)
            if dies == "waiting":
                until = time.monotonic() + 5
                while not bmc.executed() and time.monotonic() < until:
                    time.sleep(0.01)
                os.kill(pid, signal.SIGKILL)
            assert answered.result(timeout=5) is False
        assert str(pool.state(bmc.login)) == "on"  # by a new process
        assert bmc.executed() == executed
    finally:
        pool.close()


def test_what_a_bmc_refuses_is_an_error_and_not_a_lost_answer(bmcs: Fleet, pool: DriverPool) -> None:
    busy, off = bmcs.one().fails(busy=True), bmcs.one()
    pool.control(off.login, PowerCommand.OFF, lambda: None)
    busy_code, off_code = {"ipmi": ("0xC0", "0xD5"), "redfish": ("HTTP status 503", "HTTP status 409")}[bmcs.driver]
    with pytest.raises(BmcBusy, match=busy_code):
        pool.control(busy.login, PowerCommand.RESET, lambda: None)
    with pytest.raises(Unsupported, match=off_code):
        pool.control(off.login, PowerCommand.RESET, lambda: None)


def test_a_chassis_cycle_is_never_one_packet(bmcs: Fleet, pool: DriverPool) -> None:
    bmc = bmcs.one()
    with pytest.raises(Unsupported):
        pool.control(bmc.login, PowerCommand.CYCLE, lambda: None)
    assert bmc.executed() == {}
