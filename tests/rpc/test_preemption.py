"""A job whose devices are taken hears of it before, waits, and runs again: over the wire."""

from collections.abc import Callable

import grpc
import pytest

from backends.services.groups import update_backend_group
from core.clock import db_now
from scheduler.choices import JobStatus
from scheduler.cycle.tick import tick
from scheduler.models import Job
from scheduler.work import sweep
from tests import make
from tests.rpc.peers import Agent, Client
from tests.rpc.servers import Server

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[[Server], grpc.Channel]


def test_its_client_and_its_agent_see_it_go_and_come_back(manager: Server, connect: Connect) -> None:
    group = update_backend_group(make.default_group(), actor=make.ACTOR, preempt=True, min_run_s=0, notice_s=30)
    _node, key = make.keyed_backend(1)
    agent = Agent(connect(manager), key)
    agent.hello(1)
    agent.carry_out("clean")
    low = Client(connect(manager), make.sda().token.value)
    low.open(time_limit_s=3600)
    low_id = low.receive().job_id
    _start(agent, group.pk)
    assert not low.receive_until("running").running.HasField("preempted_at_ms")

    high = Client(connect(manager), make.sda(priority=9).token.value)
    high.open()
    high.receive()
    tick(group.pk)
    state = low.receive_until("running").running
    assert 0 < state.preempted_at_ms / 1000 - db_now().timestamp() <= 30

    Job.objects.filter(pk=low_id).update(preempt_at=db_now())
    sweep()
    again = low.receive_until("waiting")
    assert (again.attempt, Job.objects.get(pk=low_id).status) == (2, JobStatus.WAITING)
    agent.carry_out("stop")
    agent.carry_out("clean")
    _start(agent, group.pk)
    high.receive_until("running")
    high.finish(0)
    high.receive_until("ended")
    agent.carry_out("stop")
    agent.carry_out("clean")
    _start(agent, group.pk)
    assert low.receive_until("running").attempt == 2


def _start(agent: Agent, group_id: int) -> None:
    def submitted() -> bool:
        tick(group_id)
        return Job.objects.filter(status=JobStatus.SUBMITTED).exists()

    make.wait_for(submitted)
    agent.carry_out("start", address="10.0.0.1:30000")
