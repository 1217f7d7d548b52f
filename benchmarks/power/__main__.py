"""Power of many BMCs: `python -m benchmarks.power [--bmcs 1000] [--cases "all alive" "50 % silent"]`, as root.

Starts a private PostgreSQL (fsync on) and one ipmi_sim (Debian's openipmi) per BMC, and measures how long a sweep takes
until the readings of all live BMCs are stored: all alive, some dead, their ports closed or silent; without sessions
(cold) and with them (warm). CPU is that of the sweep and its driver processes, without PostgreSQL. FreeIPMI's ipmipower
asks the same simulators in the same run; it stores nothing. The best run counts: other work only makes it longer.
"""

import argparse
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

from benchmarks.power.simulators import PASSWORD, USER, Simulators
from benchmarks.servers import DURABLE
from tests import services


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bmcs", type=int, default=1_000)
    parser.add_argument("--cases", nargs="*", default=[""], help="only cases whose name has one of these words")
    parser.add_argument("--runs", type=int, default=2)
    options = parser.parse_args()
    folder = Path(mkdtemp(prefix="moreh-bench-"))
    simulators = Simulators(folder, options.bmcs)
    try:
        with services.postgresql(folder, DURABLE) as url:
            os.environ.update(DATABASE_URL=url, MOREH_DATA_DIR=str(folder / "data"), MOREH_LOG_LEVEL="ERROR")
            os.environ["DJANGO_SETTINGS_MODULE"] = "moreh_cloud.settings"
            _prepare(simulators.hosts)
            _measure(simulators, options.bmcs, options.cases, options.runs)
    finally:
        simulators.close()
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(hosts: list[str]) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from benchmarks.power.sweeps import add_nodes

    call_command("migrate", verbosity=0)
    add_nodes(hosts, USER, PASSWORD)


def _measure(simulators: Simulators, count: int, words: list[str], runs: int) -> None:
    from benchmarks.power.sweeps import close_sessions, sweep

    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {count} BMCs", flush=True)
    cases: list[tuple[str, int, Callable[[int], None]]] = [
        ("all alive", 0, lambda _: None),
        ("1 % closed ports", count // 100, simulators.close_ports),
        ("1 % silent", count // 100, simulators.silence),
        ("50 % closed ports", count // 2, simulators.close_ports),
        ("50 % silent", count // 2, simulators.silence),
    ]
    for name, dead, kill in cases:
        if not any(word in name for word in words):
            continue
        live = simulators.hosts[: count - dead]
        close_sessions()
        kill(dead)
        cold = [sweep(live, fresh=True) for _ in range(runs)]
        warm = [sweep(live) for _ in range(runs)]
        theirs = [_ipmipower(simulators.hosts, len(live)) for _ in range(1 if dead else runs)]  # it waits 20 s
        print(
            f"{name:18} stored: cold {_best(cold, 0)}, warm {_best(warm, 0)} (whole sweep {_best(warm, 1)}; CPU "
            f"{_best(cold, 2)}, {_best(warm, 2)}); ipmipower: all live known {_best(theirs, 0)}, whole "
            f"{_best(theirs, 1)} (CPU {_best(theirs, 2)}); load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        simulators.revive()
    close_sessions()


def _best(runs: list[tuple[float, float, float]], which: int) -> str:
    return f"{min(run[which] for run in runs):.2f} s"


def _ipmipower(hosts: list[str], live: int) -> tuple[float, float, float]:
    """Return the seconds until it has printed the power of all live BMCs, until it ended, and its CPU seconds."""
    command = ["stdbuf", "-oL", "ipmipower", "-h", ",".join(hosts), "-u", USER, "-p", PASSWORD]
    command += ["-D", "LAN_2_0", "-l", "OPERATOR", "-I", "3", "-W", "opensesspriv", "--stat"]
    begun, known, found, used = time.perf_counter(), 0.0, 0, _children()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            found += line.rstrip().endswith((": on", ": off"))
            if found == live and not known:
                known = time.perf_counter() - begun
    if found != live:
        print(f"ipmipower read {found} of {live}")
    return known or float("nan"), time.perf_counter() - begun, _children() - used


def _children() -> float:
    """Return the CPU seconds of the ended child processes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
