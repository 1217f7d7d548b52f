"""Reports over a real stream become means in the cache when the server stops, and tell the skew of the node's clock."""

import time
from collections.abc import Callable

import grpc
import pytest

from backends.models import Agent as AgentRow
from backends.telemetry_history import cached
from backends.telemetry_history.shapes import ChosenNode, TimeGrid
from core.clock import db_now
from protocol.v1.agents_pb2 import DeviceTelemetry, Report
from tests import make
from tests.rpc.peers import Agent
from tests.rpc.servers import Server

pytestmark = pytest.mark.django_db(transaction=True)


def test_reports_become_means_and_the_skew_of_a_clock(
    manager: Server, connect: Callable[[Server], grpc.Channel]
) -> None:
    node, key = make.keyed_backend(2)
    agents = manager.manager.agents
    agents._means._read_for = -1  # as if five minutes began
    manager.run(agents.write_means())
    agent = Agent(connect(manager), key)
    agent.hello(2)
    first = cached.slot_of(db_now())
    for degrees in (40, 50, 60):
        before = AgentRow.objects.get(pk=node.pk).sequence
        hot = DeviceTelemetry(index=1, temperature_celsius=degrees)
        agent.send_message(report=Report(devices=[hot]), sent_at_ms=int(time.time() * 1000) + 60_000)
        make.wait_for(lambda seen=before: AgentRow.objects.get(pk=node.pk).sequence > seen)  # type: ignore[misc]
    assert 55_000 < (AgentRow.objects.get(pk=node.pk).clock_skew_ms or 0) <= 60_000
    manager.stop()
    grid = TimeGrid(first * 300, (first + 2) * 300, 300)
    quiet, hot_device = cached.read_slots([ChosenNode(node.pk, node.name)], grid)
    assert [value for value in quiet.values["temperature"] if value is not None] == []
    seen = [value for value in hot_device.values["temperature"] if value is not None]
    assert seen in ([50.0], [40.0, 55.0], [45.0, 60.0])  # the last two where five minutes end meanwhile
