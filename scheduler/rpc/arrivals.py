"""Agents that connect: most are greeted together in one transaction, the rare cases one by one."""

import asyncio
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import uuid4

from django.conf import settings

from backends.errors import DuplicateAgent, TooManyHellos
from backends.queries import authenticate_node, authenticate_nodes
from backends.services.agents import Newcomer, alert_duplicate_agent
from backends.services.bmc_addresses import store_bmc_addresses
from core.errors import DomainError
from core.pace import Pace
from core.rpc import in_thread
from events.actor import Actor
from protocol.v1 import agents_pb2 as pb
from scheduler.rpc.batches import Batches
from scheduler.rpc.messages import build_welcome, parse_hello
from scheduler.rpc.stream import Stream
from scheduler.services.arrivals import greet_agents
from scheduler.services.workers import greet_agent

REPORTS_IN_SILENCE = 6  # reports that may be lost before a node counts as silent
MAX_REPORT_MS = 5_000
EVERY, AT_ONCE = 5.0, 10  # seconds between two Hellos of a node after the first ten
# Seconds of waiting, and agents that are greeted one by one at the same time. An agent gives up after 30 s, so a longer
# wait would be for nothing.
LONGEST, MOST_ALONE = 15.0, 200
SPREAD = 1.0, 10.0  # seconds after which refused agents come back

Greeted = tuple[Stream, pb.Welcome]


class ArrivingAgent(NamedTuple):
    """A Hello, with the key and the address of its agent."""

    key: str
    hello: pb.AgentMessage
    ip: str


class Arrivals:
    """Greets agents; refuses them by TooManyHellos, which says when to come back, before too many wait."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._pace = Pace(EVERY, AT_ONCE)
        self._together = Batches(self._greet_all, lock)
        self._alone = 0

    async def greet(self, arrival: ArrivingAgent) -> Greeted:
        """Make an agent's stream the current one of its node; return it with the Welcome. Raises TooManyHellos."""
        if self._together.wait() > LONGEST:
            raise TooManyHellos(random.uniform(*SPREAD))  # noqa: S311 - spreads agents, protects nothing
        greeted = await self._together.do(arrival)
        if greeted is not None:
            return greeted
        with self._arriving_alone():
            return await in_thread(_greet, arrival)

    @contextmanager
    def _arriving_alone(self) -> Iterator[None]:
        if self._alone >= MOST_ALONE:
            raise TooManyHellos(random.uniform(*SPREAD))  # noqa: S311
        self._alone += 1
        try:
            yield
        finally:
            self._alone -= 1

    def _greet_all(self, arrivals: list[ArrivingAgent]) -> list[Greeted | Exception | None]:
        backends = authenticate_nodes(arrival.key for arrival in arrivals)
        found = [self._newcomer_or_refusal(arrival, backends.get(arrival.key)) for arrival in arrivals]
        newcomers = [one for one in found if isinstance(one, Newcomer)]
        wanted = greet_agents(newcomers)
        _store_bmcs(one for one in newcomers if one.session in wanted)
        return [
            one
            if not isinstance(one, Newcomer)
            else _greeted(arrival, one, wanted[one.session])
            if one.session in wanted
            else None
            for arrival, one in zip(arrivals, found, strict=True)
        ]

    def _newcomer_or_refusal(self, arrival: ArrivingAgent, backend: Any) -> Newcomer | DomainError | None:
        if backend is None:
            return None
        if wait := self._pace.wait(backend.pk):
            return TooManyHellos(wait)
        try:
            return _newcomer(arrival, backend)
        except DomainError as error:
            return error


def _greet(arrival: ArrivingAgent) -> Greeted:
    newcomer = _newcomer(arrival, authenticate_node(arrival.key))
    try:
        wanted = greet_agent(newcomer)
    except DuplicateAgent:
        alert_duplicate_agent(newcomer.backend, ip_address=arrival.ip)
        raise
    _store_bmcs([newcomer])
    return _greeted(arrival, newcomer, wanted)


def _store_bmcs(greeted: Iterable[Newcomer]) -> None:
    """Store the addresses of BMCs that agents report."""
    told = [one for one in greeted if one.hello.bmc_address]
    addresses = {one.backend.pk: one.hello.bmc_address for one in told}
    store_bmc_addresses(addresses, {one.backend.pk: one.actor for one in told})


def _newcomer(arrival: ArrivingAgent, backend: Any) -> Newcomer:
    running = {worker.worker_id: list(worker.device_indexes) for worker in arrival.hello.hello.workers}
    jobs = {worker.worker_id: worker.job_id for worker in arrival.hello.hello.workers}
    actor = Actor(f"backend/{backend.pk}", "grpc", arrival.ip)
    return Newcomer(backend, parse_hello(arrival.hello), running, uuid4(), actor, jobs)


def _greeted(arrival: ArrivingAgent, newcomer: Newcomer, wanted: dict[int, int]) -> Greeted:
    silence_ms = int(settings.MOREH_SILENT_AFTER.total_seconds() * 1000)
    interval_ms = min(MAX_REPORT_MS, silence_ms // REPORTS_IN_SILENCE)
    stream = Stream(newcomer.backend, newcomer.session, arrival.hello, wanted)
    return stream, build_welcome(newcomer.backend, wanted, interval_ms)
