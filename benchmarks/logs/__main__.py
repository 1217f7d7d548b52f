"""What output costs its node's reports: `python -m benchmarks.logs [--seconds 20] [--rounds 3]`.

Starts a private PostgreSQL (fsync on), Redis, the gRPC server as delivered, and one real agent with a worker that is a
process. Prints how long reports take from the agent to their rows: alternately while the worker is silent, and while it
writes 100 MB a second and a follower reads its output as fast as it can. Also what is on the disk meanwhile.
"""

import argparse
import asyncio
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median, quantiles
from tempfile import mkdtemp

from benchmarks.logs.node import MeasuredAgent, disk_mib, written_mb
from benchmarks.servers import DURABLE, ROOT
from clients.agent import FakeDevices, ProcessRunner
from clients.agent.outputs import MIB, OutputLimits
from clients.channel import Server
from protocol.v1 import agents_pb2 as pb
from tests import services

NODE, WORKER = 1, 7
LIMITS = OutputLimits(size=64 * MIB)
SILENT, NOISY = "worker is silent", "100 MB/s, followed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {options.seconds:.0f} s each", flush=True)
    folder = Path(mkdtemp(prefix="moreh-bench-"))
    try:
        with services.postgresql(folder, DURABLE) as url, services.redis_server(folder) as broker:
            os.environ.update(DATABASE_URL=url, REDIS_URL=broker, MOREH_DATA_DIR=str(folder / "data"))
            os.environ.update(DJANGO_SETTINGS_MODULE="moreh_cloud.settings", MOREH_LOG_LEVEL="ERROR")
            _prepare()
            port = services.free_port()
            os.environ["MOREH_GRPC_PORT"] = str(port)
            with subprocess.Popen([sys.executable, "manage.py", "grpc"], cwd=ROOT) as server:
                try:
                    asyncio.run(_measure(folder, port, options.seconds, options.rounds))
                finally:
                    server.terminate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from benchmarks.agents.fill import add_nodes

    call_command("migrate", verbosity=0)
    add_nodes(1)


async def _measure(folder: Path, port: int, seconds: float, rounds: int) -> None:
    command = f"{shlex.quote(sys.executable)} -m benchmarks.logs.worker {shlex.quote(str(folder / 'loud'))}"
    runner = ProcessRunner(command, folder / "workers", limits=LIMITS)
    agent = MeasuredAgent(Server(f"127.0.0.1:{port}"), folder / "state", FakeDevices(8), runner)
    await agent.start()
    async with asyncio.timeout(60):
        await agent.welcomed.wait()
    start = pb.StartWorker(worker_id=WORKER, job_id=1, env={"PYTHONPATH": str(ROOT)})
    worker = await runner.start(start)
    taken: dict[str, list[float]] = {SILENT: [], NOISY: []}
    try:
        for _round in range(rounds):
            taken[SILENT] += await _phase(agent, seconds)
            (folder / "loud").touch()
            before, begun = written_mb(worker.pid), time.monotonic()
            follower = await _follower()
            taken[NOISY] += await _phase(agent, seconds)
            rate = (written_mb(worker.pid) - before) / (time.monotonic() - begun)
            follower.terminate()
            read, _errors = await follower.communicate()
            (folder / "loud").unlink()
            print(
                f"  written {rate:.0f} MB/s, on disk {disk_mib(folder / 'workers'):.1f} MiB, follower {read.decode()}"
            )
            await asyncio.sleep(2)
    finally:
        await runner.stop(WORKER)
        await agent.stop()
    for what, found in taken.items():
        _say(what, found)
    print(f"p99 is {_p99(taken[NOISY]) / _p99(taken[SILENT]):.2f} times that of the silent worker (limit: 2)")


async def _phase(agent: MeasuredAgent, seconds: float) -> list[float]:
    await asyncio.sleep(1)
    agent.seconds = []
    await asyncio.sleep(seconds)
    return agent.seconds


async def _follower() -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "benchmarks.logs.follower", str(NODE), str(WORKER))
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)


def _say(what: str, seconds: list[float]) -> None:
    times = f"p50 {median(seconds) * 1000:.0f} ms, p99 {_p99(seconds) * 1000:.0f} ms"
    print(f"report to row, {what:<20} {times}, longest {max(seconds) * 1000:.0f} ms, {len(seconds)} reports")


def _p99(seconds: list[float]) -> float:
    return quantiles(seconds, n=100)[98]


if __name__ == "__main__":
    main()
