"""The node agent."""

from clients.agent.agent import Agent
from clients.agent.book import BookInUse
from clients.agent.devices import FakeDevices
from clients.agent.processes import ProcessRunner
from clients.agent.runner import FakeRunner, Worker, WorkerError

__all__ = ["Agent", "BookInUse", "FakeDevices", "FakeRunner", "ProcessRunner", "Worker", "WorkerError"]
