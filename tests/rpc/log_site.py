"""Nodes whose agents have output to read, and a job on all of them."""

from collections.abc import Callable

import grpc
from typer.testing import CliRunner

from clients.smi.main import app as smi
from scheduler.choices import JobStatus
from scheduler.cycle.tick import tick
from scheduler.models import Job, Worker
from tests import make
from tests.rpc.peers import WritingAgent
from tests.rpc.servers import Server

Connect = Callable[[Server], grpc.Channel]
SECRET = "aB3" + "x7Q_" * 10


class Site:
    """Nodes with an agent each, and one running job on all of them."""

    def __init__(self, manager: Server, connect: Connect, *names: str) -> None:
        self.agents: dict[str, WritingAgent] = {}
        group = make.default_group()
        group.combine = True
        group.save()
        for name in names:
            node, key = make.keyed_backend(1, name=name)
            self.agents[name] = agent = WritingAgent(connect(manager), key)
            agent.hello(1)
            agent.carry_out("clean")
            make.wait_for(lambda node=node: make.statuses(node) == ["IDLE"])  # type: ignore[misc]
        self.job = make.job(num_devices=len(names))
        tick(0)
        for agent in self.agents.values():
            agent.carry_out("start", address="10.0.0.1:30000")
        make.wait_for(lambda: Job.objects.get(pk=self.job.pk).status == JobStatus.RUNNING)
        workers = Worker.objects.filter(job=self.job).select_related("backend")
        self.workers = {worker.backend.name: worker for worker in workers}

    def write(self, name: str, output: bytes, *, running: bool = True) -> Worker:
        agent, worker = self.agents[name], self.workers[name]
        agent.outputs[worker.pk] = output
        agent.running = {worker.pk} if running else set()
        return worker


class Vm:
    """A VM with a token, which calls moreh-smi."""

    def __init__(self, manager: Server, token: str) -> None:
        self._env = {"MOREH_SERVER": manager.address, "MOREH_TOKEN": token}

    def log(self, *arguments: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(smi, ["log", *arguments], env=self._env)
        return done.exit_code, done.stdout, done.stderr
