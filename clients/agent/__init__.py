"""The node agent."""

from clients.agent.agent import Agent
from clients.agent.devices import FakeDevices
from clients.agent.errors import JournalInUse, WorkerError
from clients.agent.processes import ProcessRunner
from clients.agent.runner import FakeRunner, Worker

__all__ = ["Agent", "FakeDevices", "FakeRunner", "JournalInUse", "ProcessRunner", "Worker", "WorkerError"]
