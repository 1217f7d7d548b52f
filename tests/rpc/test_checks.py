"""Health checks over the wire: before a job starts, and of idle devices."""

from collections.abc import Callable

import grpc

from backends.models import Finding
from backends.services.groups import update_backend_group
from protocol.v1.agents_pb2 import CheckHealth, Result
from scheduler.cycle.tick import tick
from scheduler.services.checks import give_due_checks
from tests import make
from tests.rpc.peers import Agent
from tests.rpc.servers import Server

Connect = Callable[[Server], grpc.Channel]


def test_a_preflight_over_the_wire(manager: Server, connect: Connect) -> None:
    update_backend_group(make.default_group(), actor=make.ACTOR, preflight=True, check_command="/opt/check")
    node, key = make.keyed_backend(2)
    agent = Agent(connect(manager), key)
    agent.hello(2)
    agent.carry_out("clean")
    make.wait_for(lambda: set(make.statuses(node)) == {"IDLE"})
    job = make.job()
    tick(job.group_id)
    order = agent.order("start")
    assert order.start.preflight_command == "/opt/check"
    index = order.start.device_indexes[0]
    agent.send_message(result=Result(order_id=order.order_id, error="no\x00pe", failed_devices=[index]))
    make.wait_for(lambda: Finding.objects.filter(code="CHECK_FAILED", text="no\ufffdpe").exists())
    tick(job.group_id)
    agent.carry_out("stop")
    again = agent.order("start")
    assert list(again.start.device_indexes) == [1 - index]
    assert (again.start.job_id, again.start.attempt) == (job.pk, 2)


def test_a_check_of_devices_over_the_wire(manager: Server, connect: Connect) -> None:
    update_backend_group(make.default_group(), actor=make.ACTOR, check_every_h=1, check_command="/opt/check")
    node, key = make.keyed_backend(2)
    agent = Agent(connect(manager), key)
    agent.hello(2)
    agent.carry_out("clean")
    make.wait_for(lambda: set(make.statuses(node)) == {"IDLE"})
    assert give_due_checks() == 1
    order = agent.order("check")
    assert order.check == CheckHealth(health_check_command="/opt/check", device_indexes=[0, 1])
    agent.send_message(result=Result(order_id=order.order_id, ok=True, error="bad", failed_devices=[1]))
    make.wait_for(lambda: make.statuses(node) == ["IDLE", "SHUTDOWN"])
