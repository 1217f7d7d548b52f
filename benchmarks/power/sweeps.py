"""Nodes for the simulators, and a sweep as the power worker makes it, with the time at which rows are stored."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from backends.choices import DEFAULT_GROUP
from backends.models import BackendGroup, Bmc
from backends.power.pool import DriverPool
from backends.services.nodes import create_backend
from backends.services.power_readings import PowerReading, store_power_readings
from backends.work import drivers
from backends.work import sweep as sweeping
from events.actor import Actor

ACTOR = Actor("benchmark", "test", "127.0.0.1")


def add_nodes(hosts: Iterable[str], user: str, password: str) -> None:
    """Create a node without devices for each BMC."""
    group = BackendGroup.objects.get(pk=DEFAULT_GROUP)
    for index, host in enumerate(hosts):
        login: dict[str, Any] = {"bmc_ip": host, "bmc_user": user, "bmc_password": password}
        ip = f"10.1.{index // 250}.{index % 250 + 1}"
        create_backend(name=f"node-{index}", ip=ip, actor=ACTOR, group=group, devices=0, **login)


def close_sessions() -> None:
    """End the driver processes, and with them all sessions; start new processes without sessions."""
    drivers.pool().close()
    drivers.pool.cache_clear()
    _start(drivers.pool())


def _start(pool: DriverPool) -> None:
    """Start the driver processes, as they run in a worker that has worked before."""
    for lane in pool._lanes.values():
        for place, child in enumerate(lane):
            lane[place] = child or _new_child()
    time.sleep(2)


def _new_child() -> Any:
    from backends.power.child import DriverChild

    return DriverChild()


def _cpu() -> float:
    """Return the CPU seconds of this process and of the driver processes; PostgreSQL is not in them."""
    ticks = 0
    for pid in drivers.pool().pids():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def sweep(live: list[str], *, fresh: bool = False) -> tuple[float, float, float]:
    """Return the seconds until the readings of all live BMCs were stored, until the sweep ended, and its CPU seconds.

    `fresh`: no session is open when it begins.
    """
    if fresh:
        close_sessions()
    Bmc.objects.update(checked_at=None, status="unknown", busy_until=None, paced_until=None)
    waiting = set(Bmc.objects.filter(ip__in=live).values_list("pk", flat=True))
    begun, stored, used = time.perf_counter(), 0.0, _cpu()

    def store(readings: Mapping[int, PowerReading], **when: Any) -> None:
        nonlocal stored
        store_power_readings(readings, **when)
        waiting.difference_update(readings)
        if not waiting and not stored:
            stored = time.perf_counter() - begun

    vars(sweeping)["store_power_readings"] = store
    sweeping.sweep_power()
    ended, used = time.perf_counter() - begun, _cpu() - used
    others = Bmc.objects.filter(ip__in=live).exclude(status="on")
    if failed := Counter(others.values_list("error", flat=True)):
        print(f"not read: {dict(failed)}")
    return stored, ended, used
