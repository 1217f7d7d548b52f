"""Enrolment of nodes over gRPC."""

from uuid import uuid4

import grpc
import pytest

from backends.models import Backend
from backends.services.enrolment import create_enrolment_key
from protocol.v1.agents_pb2 import DeviceInfo, EnrolRequest
from protocol.v1.agents_pb2_grpc import AgentsStub
from tests import make
from tests.rpc.peers import Agent
from tests.rpc.servers import Server
from tests.rpc.test_agents import Connect, _refused


def test_an_enrolment_key_makes_one_node_and_the_same_installation_may_ask_again(
    manager: Server, connect: Connect
) -> None:
    enrol = AgentsStub(connect(manager)).Enrol
    key = create_enrolment_key(group=make.default_group(), actor=make.ACTOR)
    request = EnrolRequest(
        enrolment_key=key, name="new-node", addresses=["10.1.2.3"], instance_id="one", devices=[DeviceInfo(index=0)]
    )
    first, second = enrol(request, timeout=10), enrol(request, timeout=10)
    assert first.backend_id == second.backend_id == Backend.objects.get().pk
    assert Backend.objects.get().bmc.ip is None
    assert first.node_key != second.node_key
    old, new = (Agent(connect(manager), answer.node_key) for answer in (first, second))
    old.send_hello(1)
    assert _refused(old) is grpc.StatusCode.UNAUTHENTICATED
    assert new.hello(1).backend_name == "new-node"
    for wrong in ({"instance_id": "two"}, {"enrolment_key": str(uuid4())}):
        other = EnrolRequest(enrolment_key=key, name="other", addresses=["10.1.2.4"], instance_id="one")
        other.MergeFrom(EnrolRequest(**wrong))  # type: ignore[arg-type]
        with pytest.raises(grpc.RpcError) as caught:
            enrol(other, timeout=10)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert Backend.objects.count() == 1


BAD_ENROLMENTS = {
    "no installation": EnrolRequest(name="node", addresses=["10.1.2.3"]),
    "a NUL in the name": EnrolRequest(name="no\0de", addresses=["10.1.2.3"], instance_id="one"),
    "a name that is too long": EnrolRequest(name="n" * 129, addresses=["10.1.2.3"], instance_id="one"),
    "an address that is none": EnrolRequest(name="node", addresses=["here"], instance_id="one"),
}


@pytest.mark.parametrize("request_", BAD_ENROLMENTS.values(), ids=BAD_ENROLMENTS.keys())
def test_an_enrolment_that_cannot_be_is_refused_and_uses_up_nothing(
    request_: EnrolRequest, manager: Server, connect: Connect
) -> None:
    enrol = AgentsStub(connect(manager)).Enrol
    key = create_enrolment_key(group=make.default_group(), actor=make.ACTOR)
    requested = EnrolRequest(enrolment_key=key)
    requested.MergeFrom(request_)
    with pytest.raises(grpc.RpcError) as caught:
        enrol(requested, timeout=10)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert Backend.objects.count() == 0
    assert enrol(EnrolRequest(enrolment_key=key, name="node", instance_id="one"), timeout=10).node_key
