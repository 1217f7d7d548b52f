"""Workers as real processes: each leads a session of its own, so that it outlives its agent and is stopped whole."""

import asyncio
import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from clients import proc
from clients.agent.errors import WorkerError
from clients.agent.journal import SavedWorker
from clients.agent.outputs import KeptOutputs, OutputLimits
from clients.agent.runner import Lost, Worker, address_of
from protocol.v1 import agents_pb2 as pb

READY_WITHIN = 60.0  # seconds from start to the first accepted connection
STOP_WITHIN = 10.0  # seconds between SIGTERM and SIGKILL
GONE_WITHIN = 5.0  # seconds after SIGKILL; a process that stays is stuck in its driver
LOOK_EVERY = 0.05  # seconds
JOB, PORT, DEVICES = "MOREH_JOB_ID", "MOREH_WORKER_PORT", "MOREH_DEVICES"
INDEXES = re.compile(r"([0-9]{1,4}(,[0-9]{1,4})*)?")  # as in DEVICES


class ProcessRunner:
    """Runs `command` (or a version's own) for each worker, with MOREH_WORKER_PORT to listen on.

    Also in its environment: MOREH_WORKER_ID, MOREH_JOB_ID, MOREH_DEVICES (0,1,…), the vendors' device masks, and what
    the order brings. Its output is kept in `folder`.
    """

    def __init__(self, command: str, folder: Path, host: str = "127.0.0.1", limits: OutputLimits | None = None) -> None:
        self.workers: dict[int, Worker] = {}
        self.lost: Lost = lambda _worker, _code, _why: None
        self._command = command
        self.outputs = KeptOutputs(folder, limits or OutputLimits())
        self._keeping: set[asyncio.Task[None]] = set()
        self._mark = ""
        self._host = host
        self._stopping: set[int] = set()
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._ports: dict[int, int] = {}  # of those that start
        self._watches: dict[int, int] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def adopt(self, kept: Iterable[SavedWorker], begun: Iterable[int], mark: str) -> None:
        """Watch the workers that still live; kill every other process that carries the installation's mark."""
        self._mark = mark
        ours = proc.marked(self._mark)
        running = [Worker(old.worker_id, old.job_id, old.devices, old.address, old.pid) for old in kept]
        wanted = {*begun}
        candidates = [pid for pid, worker_id in ours.items() if worker_id in wanted]
        half_started = [self._recognise(pid) for pid in sorted(candidates, key=proc.age)]  # the oldest wins
        for worker in [*filter(None, half_started), *running]:
            if ours.get(worker.pid) == worker.worker_id:
                self.workers[worker.worker_id] = worker
        for worker in self.workers.values():
            self._watch(worker)
        await self._kill(pid for pid, worker_id in ours.items() if worker_id not in self.workers)

    def _recognise(self, pid: int) -> Worker | None:
        """Make out which worker a process leads, by the environment that it was started with."""
        given = proc.environment(pid)
        worker_id, job_id, port = (proc.number_in(given, name) for name in (proc.WORKER, JOB, PORT))
        devices = given.get(DEVICES, "")
        if not proc.leads_a_session(pid) or not (job_id and 0 < port < 2**16 and INDEXES.fullmatch(devices)):
            return None
        self._ports[worker_id] = port
        return Worker(worker_id, job_id, tuple(int(index) for index in devices.split(",") if index), pid=pid)

    async def start(self, order: pb.StartWorker) -> Worker:
        """Start the process and wait until its port accepts connections. Raises WorkerError."""
        if order.worker_id not in self.workers:
            self._ports[order.worker_id] = _free_port(self._host)
            self._begin(order, self._ports[order.worker_id])
        worker, port = self.workers[order.worker_id], self._ports.pop(order.worker_id)
        child = self._children.get(order.worker_id)
        deadline = time.monotonic() + READY_WITHIN
        while not await _answers(self._host, port):
            if order.worker_id not in self.workers:
                code = f", exit code {child.returncode}" if child else ""
                raise WorkerError(f"worker {order.worker_id} ended before it was ready{code}")
            if time.monotonic() > deadline:
                await self.stop(order.worker_id)
                raise WorkerError(f"worker {order.worker_id} was not ready within {READY_WITHIN:.0f} s")
            await asyncio.sleep(LOOK_EVERY)
        address = address_of(self._host, port)
        ready = Worker(worker.worker_id, worker.job_id, worker.devices, address, worker.pid)
        self.workers[order.worker_id] = ready
        return ready

    async def stop(self, worker_id: int) -> None:
        """Send SIGTERM to the whole group, then SIGKILL. Raises WorkerError when a process stays."""
        worker = self.workers.get(worker_id)
        if worker is None:
            return
        self._stopping.add(worker_id)
        _signal_group(worker.pid, signal.SIGTERM)
        await _wait(lambda: worker_id not in self.workers, STOP_WITHIN)
        _signal_group(worker.pid, signal.SIGKILL)
        if not await _wait(lambda: worker_id not in self.workers, GONE_WITHIN):
            raise WorkerError(f"worker {worker_id} (pid {worker.pid}) does not end")

    async def clean(self, devices: Iterable[int]) -> None:
        """Kill what former workers left behind, also what ran away from its group. Raises WorkerError."""
        del devices  # what carries our mark and belongs to no worker of ours may be on any of them
        strays = [pid for pid, worker_id in proc.marked(self._mark).items() if worker_id not in self.workers]
        await self._kill(strays)

    def abandon(self) -> None:
        """Stop watching; the processes run on."""
        for descriptor in self._watches.values():
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)
        self._watches.clear()

    def _begin(self, order: pb.StartWorker, port: int) -> None:
        """Start a worker, and in the background the keeper of its output."""
        try:
            into, out = self.outputs.open_pipe(order.worker_id)
        except OSError as error:
            raise WorkerError(f"worker {order.worker_id} cannot be started: {error}") from error
        try:
            self._watch(self._spawn(order, port, into))
        except WorkerError:
            os.close(out)
            raise
        finally:
            os.close(into)
        keeping = asyncio.create_task(asyncio.to_thread(self.outputs.keep, order.worker_id, out))
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)

    def _spawn(self, order: pb.StartWorker, port: int, output: int) -> Worker:
        command = shlex.split(order.version.worker_command or self._command)
        try:
            child = subprocess.Popen(  # noqa: S603 - the operator's own command, without a shell
                command,
                cwd=order.version.path or None,
                env=self._environment(order, port),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except (OSError, IndexError) as error:
            raise WorkerError(f"worker {order.worker_id} cannot be started: {error}") from error
        worker = Worker(order.worker_id, order.job_id, tuple(order.device_indexes), pid=child.pid)
        self._children[order.worker_id], self.workers[order.worker_id] = child, worker
        return worker

    def _environment(self, order: pb.StartWorker, port: int) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
        devices = ",".join(map(str, order.device_indexes))
        return {
            **inherited,
            **order.env,
            proc.MARK: self._mark,
            proc.WORKER: str(order.worker_id),
            JOB: str(order.job_id),
            PORT: str(port),
            DEVICES: devices,
            "ROCR_VISIBLE_DEVICES": devices,
            "CUDA_VISIBLE_DEVICES": devices,
            # nvidia-smi numbers cards by PCI address; CUDA's own order puts the fastest card first.
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        }

    def _watch(self, worker: Worker) -> None:
        """Learn of the end of a process, child or not, through a descriptor."""
        try:
            descriptor = os.pidfd_open(worker.pid)
        except ProcessLookupError:
            asyncio.get_running_loop().call_soon(self._over, worker.worker_id)
            return
        self._watches[worker.worker_id] = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._over, worker.worker_id)

    def _over(self, worker_id: int) -> None:
        if (descriptor := self._watches.pop(worker_id, None)) is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)
        worker = self.workers.pop(worker_id)
        child = self._children.pop(worker_id, None)
        code = child.wait() if child else None
        expected = worker_id in self._stopping or not worker.address
        self._stopping.discard(worker_id)
        if not expected:
            _signal_group(worker.pid, signal.SIGKILL)
            self.lost(worker_id, code, f"exit code {code}" if code is not None else "it ended")

    async def _kill(self, pids: Iterable[int]) -> None:
        doomed = list(pids)
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not await _wait(lambda: not set(doomed) & proc.marked(self._mark).keys(), GONE_WITHIN):
            raise WorkerError(f"processes {', '.join(map(str, doomed))} do not end")


def _signal_group(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _free_port(host: str) -> int:
    family, kind, *_, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        probe.bind(address)
        port: int = probe.getsockname()[1]
        return port


async def _answers(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


async def _wait(happened: "proc.Question", seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(LOOK_EVERY)
    return True
