"""A dead BMC delays no other BMC: every operation ends at its deadline, if need be because its process is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backends.power.driver import PowerState
from backends.power.errors import BmcSilent, PowerError
from backends.power.pool import DriverPool
from tests.backends.power.bmcs import Bmc, Fleet

PATIENT = 2.0  # seconds a healthy BMC may take (p99, quality C)


@pytest.fixture
def own_pool(fleet: Fleet) -> Iterator[DriverPool]:
    """Return a pool whose processes for healthy BMCs have started: on a busy machine this alone can take seconds."""
    pool = DriverPool()
    for bmc in fleet.together[-8:]:
        pool.state(bmc.login, timeout=20)
    yield pool
    pool.close()


def seconds(pool: DriverPool, bmc: Bmc) -> float:
    begun = time.monotonic()
    assert pool.state(bmc.login) is PowerState.ON
    return time.monotonic() - begun


@pytest.mark.parametrize("dead", [1, 20, 40], ids=["one dead", "half dead", "all dead"])
def test_a_sweep_yields_healthy_bmcs_at_once_and_dead_ones_by_its_deadline(
    fleet: Fleet, own_pool: DriverPool, dead: int
) -> None:
    bmcs = fleet.together
    for bmc in bmcs:
        bmc.fails(black_hole=bmc.index < dead)
    begun = time.monotonic()
    found: dict[int, tuple[PowerState | PowerError, float]] = {}
    for batch in own_pool.sweep([(bmc.index, bmc.login) for bmc in bmcs], deadline=2.0):
        found |= {key: (seen, time.monotonic() - begun) for key, seen in batch}
    for bmc in bmcs:
        bmc.fails(black_hole=False)
    silent = {key for key, (seen, _) in found.items() if isinstance(seen, BmcSilent)}
    assert silent == set(range(dead))
    assert all(isinstance(seen, PowerState) for key, (seen, _) in found.items() if key not in silent)
    assert max([after for key, (_, after) in found.items() if key not in silent], default=0) < PATIENT
    assert max(after for _, after in found.values()) < 2.0 + 1.5
    assert own_pool.kills == 0


@pytest.mark.parametrize("stage", ["open", "rakp2", "rakp4"])
def test_a_bmc_silent_in_the_middle_of_a_login_ends_at_its_deadline(fleet: Fleet, pool: DriverPool, stage: str) -> None:
    bmc = fleet.one().fails(silent_at=stage)
    begun = time.monotonic()
    with pytest.raises(BmcSilent):
        pool.state(bmc.login, timeout=1.2)
    assert 1.1 < time.monotonic() - begun < 2.0


def test_many_dead_bmcs_do_not_slow_healthy_ones(fleet: Fleet, own_pool: DriverPool) -> None:
    healthy, dead = fleet.take(8), [bmc.fails(black_hole=True) for bmc in fleet.take(24)]

    def give_up(bmc: Bmc) -> str:
        with pytest.raises(PowerError) as caught:
            own_pool.state(bmc.login, timeout=3)
        return caught.value.code

    with ThreadPoolExecutor(24) as threads:
        codes = [threads.submit(give_up, bmc) for bmc in dead]
        times = sorted(seconds(own_pool, bmc) for _ in range(25) for bmc in healthy)
        assert {code.result() for code in codes} == {"BMC_SILENT"}
    assert times[int(len(times) * 0.99)] < 1.0


def test_a_stopped_driver_is_killed_at_the_deadline_and_replaced(fleet: Fleet) -> None:
    pool, bmc = DriverPool(healthy=1), fleet.one()
    try:
        pool.state(bmc.login)
        [stopped] = pool.pids()
        os.kill(stopped, signal.SIGSTOP)
        begun = time.monotonic()
        with pytest.raises(BmcSilent, match="killed"):
            pool.state(bmc.login, timeout=0.5)
        assert 1.4 < time.monotonic() - begun < 2.5
        assert pool.state(bmc.login) is PowerState.ON
        assert pool.kills == 1
        assert stopped not in pool.pids()
    finally:
        pool.close()


def test_a_stopped_driver_of_the_silent_lane_delays_no_healthy_bmc(fleet: Fleet, own_pool: DriverPool) -> None:
    dead, healthy = fleet.one().fails(black_hole=True), fleet.one()
    seconds(own_pool, healthy)
    for _ in range(2):  # the first silence moves it to the other lane, whose process the second one starts
        before = own_pool.pids()
        with pytest.raises(BmcSilent):
            own_pool.state(dead.login, timeout=0.3)
    [silent_lane] = set(own_pool.pids()) - set(before)
    os.kill(silent_lane, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(own_pool.state, dead.login, timeout=0.5)
        assert max(seconds(own_pool, healthy) for _ in range(50)) < 1.0
        with pytest.raises(BmcSilent, match="killed"):
            waiting.result()


def test_a_burst_larger_than_a_pipe_into_a_stopped_driver_ends_too(fleet: Fleet) -> None:
    pool = DriverPool(healthy=1)
    try:
        pool.state(fleet.together[0].login)
        os.kill(pool.pids()[0], signal.SIGSTOP)
        begun = time.monotonic()
        burst = [(number, fleet.together[number % 40].login) for number in range(1000)]
        answers = [seen for batch in pool.sweep(burst, deadline=1.0) for _, seen in batch]
        assert len(answers) == 1000
        assert time.monotonic() - begun < 6
    finally:
        pool.close()


def test_a_worker_killed_outright_leaves_no_driver_behind(fleet: Fleet) -> None:
    worker = subprocess.Popen([sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert worker.stdin
    assert worker.stdout
    driver = int(worker.stdout.readline())
    worker.kill()
    worker.wait()
    worker.stdin.close()
    worker.stdout.close()
    until = time.monotonic() + 3
    while Path(f"/proc/{driver}/cmdline").exists() and Path(f"/proc/{driver}/cmdline").read_bytes():
        assert time.monotonic() < until, "the driver outlived its worker"
        time.sleep(0.02)


WORKER = """
from backends.power.child import DriverChild
print(DriverChild().pid, flush=True)
input()
"""


def test_closing_the_pool_ends_its_processes(fleet: Fleet) -> None:
    pool = DriverPool()
    pool.state(fleet.one().login)
    [pid] = pool.pids()
    pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(PowerError, match="closed"):
        pool.state(fleet.together[0].login)
