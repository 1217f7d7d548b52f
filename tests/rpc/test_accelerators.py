"""What a VM's tools see and change of their token's accelerators."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from clients import __version__ as client_version
from events.models import Event
from protocol.v1 import accelerators_pb2 as pb
from protocol.v1.accelerators_pb2_grpc import AcceleratorsStub
from scheduler.models import Job
from scheduler.services.heartbeats import ClientHeartbeat, store_heartbeats
from sda.models import Sda
from sda.services.models import create_membership, create_sda_model_group
from tests import make
from tests.rpc.servers import Server, bearer
from tokens.models import Token
from tokens.services import create_token_group

Connect = Callable[[Server], grpc.Channel]


class Tools:
    """Calls in the name of one token."""

    def __init__(self, channel: grpc.Channel, token: Token) -> None:
        self._stub, self._metadata = AcceleratorsStub(channel), bearer(token.value)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        request = getattr(pb, f"{name}Request")
        return lambda **fields: getattr(self._stub, name)(request(**fields), metadata=self._metadata, timeout=10)


def _code(call: Callable[[], object]) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    code: grpc.StatusCode = caught.value.code()
    return code


def test_an_sda_shows_what_it_holds_and_what_runs_on_it(manager: Server, connect: Connect) -> None:
    node = make.ready_backend(2)
    job = make.running_job(node, 2)
    store_heartbeats([ClientHeartbeat(job.pk, job.token.value_digest, used_memory=777, utilization=5.0, pid=42)])
    waiting = make.job(job.sda, process_name="later.py")
    (sda,) = Tools(connect(manager), job.token).ListSdas().sdas
    assert (sda.sda_id, sda.number, sda.model_name, sda.device_count) == (job.sda.pk, 0, job.sda.model.name, 2)
    assert (sda.current, sda.reserved, sda.total_memory_mib, sda.model_group_id) == (True, False, 2 * 65_536, 0)
    assert [(device.host, device.index, device.model) for device in sda.devices] == [
        (node.name, 0, "MI250"),
        (node.name, 1, "MI250"),
    ]
    assert [(p.job_id, p.pid, p.process_name, p.used_memory_mib, p.status) for p in sda.processes] == [
        (job.pk, 42, "", 777, "RUNNING"),
        (waiting.pk, 0, "later.py", 0, "WAITING"),
    ]


def test_an_idle_sda_has_the_memory_of_the_devices_of_its_group(manager: Server, connect: Connect) -> None:
    sda = make.sda(4)
    tools = Tools(connect(manager), sda.token)
    assert tools.ListSdas().sdas[0].total_memory_mib == 0
    make.ready_backend(1)
    assert tools.ListSdas().sdas[0].total_memory_mib == 4 * 65_536


def test_sdas_are_added_switched_and_removed(manager: Server, connect: Connect) -> None:
    token = make.token(max_sda_count=2)
    small, large = make.sda_model(1), make.sda_model(8)
    tools = Tools(connect(manager), token)
    first = tools.AddSda(model_id=small.pk)
    second = tools.AddSda(model_id=large.pk)
    assert [(sda.number, sda.current, sda.device_count) for sda in (first, second)] == [(0, True, 1), (1, False, 8)]
    assert _code(lambda: tools.AddSda(model_id=small.pk)) is grpc.StatusCode.FAILED_PRECONDITION
    assert tools.SetCurrent(sda_id=second.sda_id).current
    assert tools.SwitchModel(model_id=small.pk).sda_id == second.sda_id
    assert Sda.objects.get(pk=second.sda_id).model == small
    assert tools.RemoveSda(sda_id=second.sda_id) == pb.RemoveSdaResponse()
    assert [(sda.sda_id, sda.current) for sda in tools.ListSdas().sdas] == [(first.sda_id, True)]
    actions = Event.objects.filter(token_id=token.pk, actor=f"token/{token.pk}").order_by("pk")
    assert [(event.action, event.referer_protocol) for event in actions] == [
        ("CREATE_SDA", "grpc"),
        ("CREATE_SDA", "grpc"),
        ("SET_CURRENT_SDA", "grpc"),
        ("UPDATE_SDA", "grpc"),
        ("DELETE_SDA", "grpc"),
    ]


def test_models_come_through_every_group_that_allows_them(manager: Server, connect: Connect) -> None:
    token = make.token()
    team = create_token_group(name="team", actor=make.ACTOR, tokens=[token])
    mine, others, free = make.sda_model(1), make.sda_model(2), make.sda_model(4)
    groups = [
        create_sda_model_group(name=name, backend_group=make.default_group(), actor=make.ACTOR, models=[model])
        for name, model in (("theirs", others), ("ours", mine), ("ours too", mine))
    ]
    for group in groups[1:]:
        create_membership(team, group, actor=make.ACTOR)
    tools = Tools(connect(manager), token)
    tools.AddSda(model_id=mine.pk, model_group_id=groups[2].pk)
    assert [(m.model_id, m.model_group_id, m.model_group_name, m.current) for m in tools.ListModels().models] == [
        (mine.pk, groups[1].pk, "ours", False),
        (mine.pk, groups[2].pk, "ours too", True),
        (free.pk, 0, "", False),
    ]
    assert _code(lambda: tools.SwitchModel(model_id=others.pk)) is grpc.StatusCode.PERMISSION_DENIED


def test_reset_stops_what_runs(manager: Server, connect: Connect) -> None:
    node = make.ready_backend(1)
    job = make.running_job(node)
    tools = Tools(connect(manager), job.token)
    assert list(tools.Reset().job_ids) == [job.pk]
    assert Job.objects.get().cause == "BY_USER"
    assert list(tools.Reset().job_ids) == []


def test_the_sdas_of_others_are_not_there(manager: Server, connect: Connect) -> None:
    theirs = make.sda(1)
    tools = Tools(connect(manager), make.sda(1).token)
    for call in (tools.RemoveSda, tools.SetCurrent, tools.Reset):
        assert _code(lambda call=call: call(sda_id=theirs.pk)) is grpc.StatusCode.NOT_FOUND  # type: ignore[misc]
    for call in (tools.RemoveSda, tools.SetCurrent):
        assert _code(call) is grpc.StatusCode.NOT_FOUND
    assert [sda.sda_id for sda in tools.ListSdas().sdas] != [theirs.pk]


def test_the_version_is_that_of_the_clients(manager: Server, connect: Connect) -> None:
    answer = Tools(connect(manager), make.token()).GetVersion()
    assert (answer.server_version, answer.latest_client_version) == (client_version, client_version)
