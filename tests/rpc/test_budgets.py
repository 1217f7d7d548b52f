"""A spent budget on the wire: new jobs are refused, waiting ones stay, and start when there is money again."""

from collections.abc import Callable
from decimal import Decimal

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from billing.services.budgets import create_budget, update_budget
from billing.services.checking import check_budgets
from events.models import Event
from scheduler.cycle.tick import tick
from scheduler.models import Job
from tests import make
from tests.rpc.peers import Agent, Client
from tests.rpc.servers import Server
from tokens.choices import BudgetKind

Connect = Callable[[Server], grpc.Channel]


def _refusal(client: Client) -> tuple[grpc.StatusCode, str, ErrorInfo]:
    with pytest.raises(grpc.RpcError) as caught:
        client.receive()
    error: grpc.Call = caught.value  # type: ignore[assignment]
    info = ErrorInfo()
    status = rpc_status.from_call(error)
    assert status
    status.details[0].Unpack(info)
    return error.code(), status.message, info


def test_a_job_is_refused_and_one_that_waits_starts_after_the_budget_is_raised(
    manager: Server, connect: Connect
) -> None:
    sda = make.sda(2, max_duplicates=0)
    waiting = Client(connect(manager), sda.token.value)
    waiting.open()
    assert waiting.receive().waiting.place == 1
    budget = create_budget(sda.token, BudgetKind.DEVICE_HOURS, amount=Decimal(0), stops=True, actor=make.ACTOR)

    late = Client(connect(manager), sda.token.value)
    late.open()
    code, message, info = _refusal(late)
    assert (code, info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "BUDGET_SPENT")
    assert message == "The token's quota of this month is used up: 0.00 of 0 device-hours."
    assert dict(info.metadata) == {
        "parameter": "token",
        "kind": "DEVICE_HOURS",
        "limit": "0",
        "spent": "0.00",
        "unit": "device-hours",
    }
    job = Job.objects.get()

    node, key = make.keyed_backend(2)
    agent = Agent(connect(manager), key)
    agent.hello(2)
    agent.carry_out("clean")
    make.wait_for(lambda: make.statuses(node) == ["IDLE", "IDLE"])
    tick(job.group_id)
    while not (stays := waiting.receive_until("waiting").waiting).reason:
        pass
    assert (stays.place, stays.reason, stays.needed, stays.available) == (1, "TOKEN_STOPPED", 2, 0)
    check_budgets()

    update_budget(budget, amount=Decimal(100), actor=make.ACTOR)
    tick(job.group_id)
    assert waiting.receive_until("submitted").job_id == job.pk
    agent.carry_out("start", address="10.0.0.1:30000")
    waiting.receive_until("running")
    again = Client(connect(manager), sda.token.value)
    again.open()
    assert again.receive().waiting.place == 1
    about = Event.objects.filter(subject=f"token/{sda.token_id}", action__in=("STOP_TOKEN", "FREE_TOKEN"))
    assert list(about.order_by("pk").values_list("action", flat=True)) == ["STOP_TOKEN", "FREE_TOKEN"]
