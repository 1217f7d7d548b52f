"""Law 6 on the wire: no power change is carried out more often than asked for; each ends confirmed or UNKNOWN."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backends.power.driver import BmcBusy, PowerCommand, PowerError, Unsupported
from backends.power.patience import Patience
from backends.power.pool import DriverPool, PooledBmc
from tests.backends.power.bmcs import Bmc, Fleet

PAUSES = (0.05, 0.1, 0.2, 0.4)

# what happens: (command, faults, how it ends, power at the end, what the BMC carried out)
CASES: dict[str, tuple[str, dict[str, Any], str, str, dict[str, int]]] = {
    "reset, answered": ("reset", {}, "confirmed", "on", {"reset": 1}),
    "reset, one answer lost": ("reset", {"lost_replies": 1}, "unknown", "on", {"reset": 1}),
    "reset, never answered": ("reset", {"lost_replies": 99}, "unknown", "on", {"reset": 1}),
    "reset, refused as busy": ("reset", {"busy": True}, "BMC_BUSY", "on", {}),
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


def carry_out(pool: DriverPool, bmc: Bmc, command: str) -> str:
    patience = Patience(
        PooledBmc(pool, bmc.login), lambda _: None, time.monotonic, time.sleep, pauses=PAUSES, soft_pauses=PAUSES, gap=0
    )
    try:
        return patience.carry_out(PowerCommand(command)).verdict
    except PowerError as error:
        return error.code


def test_each_command_is_carried_out_as_often_as_asked_for(fleet: Fleet, pool: DriverPool) -> None:
    bmcs = {case: fleet.one().fails(**faults) for case, (_, faults, _, _, _) in CASES.items()}
    with ThreadPoolExecutor(len(CASES)) as threads:
        ends = dict(
            zip(CASES, threads.map(lambda case: carry_out(pool, bmcs[case], CASES[case][0]), CASES), strict=True)
        )
    seen = {case: (ends[case], bmc.state(), bmc.executed()) for case, bmc in bmcs.items()}
    assert seen == {case: (end, state, book) for case, (_, _, end, state, book) in CASES.items()}


def test_sent_is_recorded_before_the_packet_leaves(fleet: Fleet, pool: DriverPool) -> None:
    bmc, seen = fleet.one(), []
    assert pool.control(bmc.login, PowerCommand.RESET, lambda: seen.append(bmc.executed()))
    assert (seen, bmc.executed()) == ([{}], {"reset": 1})


def test_what_could_not_be_recorded_is_not_sent(fleet: Fleet, pool: DriverPool) -> None:
    bmc = fleet.one()

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
    fleet: Fleet, lost_replies: int, dies: str, executed: dict[str, int]
) -> None:
    bmc, pool = fleet.one().fails(lost_replies=lost_replies), DriverPool(healthy=1)
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


def test_what_a_bmc_refuses_is_an_error_and_not_a_lost_answer(fleet: Fleet, pool: DriverPool) -> None:
    busy, off = fleet.one().fails(busy=True), fleet.one()
    pool.control(off.login, PowerCommand.OFF, lambda: None)
    with pytest.raises(BmcBusy, match="0xC0"):
        pool.control(busy.login, PowerCommand.RESET, lambda: None)
    with pytest.raises(Unsupported, match="0xD5"):
        pool.control(off.login, PowerCommand.RESET, lambda: None)


def test_a_chassis_cycle_is_never_one_packet(fleet: Fleet, pool: DriverPool) -> None:
    bmc = fleet.one()
    with pytest.raises(Unsupported):
        pool.control(bmc.login, PowerCommand.CYCLE, lambda: None)
    assert bmc.executed() == {}
