"""The gRPC service for the tools in a VM: what its token owns and may use."""

from collections.abc import Callable
from typing import Any, TypeVar

from core.crypto import digest
from core.errors import NotFound
from core.rpc import Context, bearer, in_thread, peer_ip
from core.version import VERSION
from events.actor import Actor
from protocol.v1 import accelerators_pb2 as pb
from protocol.v1.accelerators_pb2_grpc import AcceleratorsServicer
from scheduler.services import sdas as scheduled
from sda.models import SdaModel, SdaModelGroup
from sda.queries import get_sda, live_model_groups, live_models
from sda.rpc.messages import model_messages, sda_message, sda_messages
from sda.services import sdas
from tokens.queries import authenticate_token
from tokens.services import presented

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Accelerators(AcceleratorsServicer):
    """The service `Accelerators`; each method acts for the token of the call."""

    async def ListSdas(self, request: pb.ListSdasRequest, context: Context) -> pb.ListSdasResponse:
        return await _for_token(_list_sdas, request, context)

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        return await _for_token(_list_models, request, context)

    async def AddSda(self, request: pb.AddSdaRequest, context: Context) -> pb.Sda:
        return await _change(_add_sda, request, context)

    async def RemoveSda(self, request: pb.RemoveSdaRequest, context: Context) -> pb.RemoveSdaResponse:
        return await _change(_remove_sda, request, context)

    async def SetCurrent(self, request: pb.SetCurrentRequest, context: Context) -> pb.Sda:
        return await _change(_set_current, request, context)

    async def SwitchModel(self, request: pb.SwitchModelRequest, context: Context) -> pb.Sda:
        return await _change(_switch_model, request, context)

    async def Reset(self, request: pb.ResetRequest, context: Context) -> pb.ResetResponse:
        return await _change(_reset, request, context)

    async def GetVersion(self, request: pb.GetVersionRequest, context: Context) -> pb.GetVersionResponse:
        return await _for_token(_get_version, request, context)


async def _for_token(answer: Callable[[Any, Request, Actor], Answer], request: Request, context: Context) -> Answer:
    return await in_thread(_authenticated, answer, bearer(context), request, peer_ip(context))


async def _change(answer: Callable[[Any, Request, Actor], Answer], request: Request, context: Context) -> Answer:
    return await in_thread(_presented, answer, digest(bearer(context)), request, peer_ip(context))


def _presented(answer: Callable[[Any, Request, Actor], Answer], value: str, request: Request, ip: str) -> Answer:
    with presented(value, alone=True) as token:
        return answer(token, request, Actor(f"token/{token.pk}", "grpc", ip))


def _authenticated(answer: Callable[[Any, Request, Actor], Answer], value: str, request: Request, ip: str) -> Answer:
    token = authenticate_token(value)
    return answer(token, request, Actor(f"token/{token.pk}", "grpc", ip))


def _list_sdas(token: Any, _request: pb.ListSdasRequest, _actor: Actor) -> pb.ListSdasResponse:
    return pb.ListSdasResponse(sdas=sda_messages(token))


def _list_models(token: Any, _request: pb.ListModelsRequest, _actor: Actor) -> pb.ListModelsResponse:
    return pb.ListModelsResponse(models=model_messages(token))


def _add_sda(token: Any, request: pb.AddSdaRequest, actor: Actor) -> pb.Sda:
    sda = scheduled.create_sda(token, _model(request.model_id), group=_group(request), actor=actor)
    return sda_message(token, sda.pk)


def _remove_sda(token: Any, request: pb.RemoveSdaRequest, actor: Actor) -> pb.RemoveSdaResponse:
    scheduled.delete_sda(get_sda(token, _named(request.sda_id)), actor=actor)
    return pb.RemoveSdaResponse()


def _set_current(token: Any, request: pb.SetCurrentRequest, actor: Actor) -> pb.Sda:
    sda = get_sda(token, _named(request.sda_id))
    sdas.set_current_sda(sda, actor=actor)
    return sda_message(token, sda.pk)


def _switch_model(token: Any, request: pb.SwitchModelRequest, actor: Actor) -> pb.Sda:
    sda = get_sda(token, request.sda_id)
    scheduled.switch_model(sda, _model(request.model_id), group=_group(request), actor=actor)
    return sda_message(token, sda.pk)


def _reset(token: Any, request: pb.ResetRequest, actor: Actor) -> pb.ResetResponse:
    sda = get_sda(token, request.sda_id)
    return pb.ResetResponse(job_ids=scheduled.reset_sda(sda, actor=actor))


def _get_version(_token: Any, _request: pb.GetVersionRequest, _actor: Actor) -> pb.GetVersionResponse:
    return pb.GetVersionResponse(server_version=VERSION, latest_client_version=VERSION)


def _named(sda_id: int) -> int:
    """Return the id of an SDA that must be given. Raises NotFound."""
    if not sda_id:
        raise NotFound(sdaId=sda_id)
    return sda_id


def _model(model_id: int) -> SdaModel:
    model = live_models().filter(pk=model_id).first()
    if model is None:
        raise NotFound(model_id=model_id)
    return model


def _group(request: Any) -> SdaModelGroup | None:
    if not request.model_group_id:
        return None
    group = live_model_groups().filter(pk=request.model_group_id).first()
    if group is None:
        raise NotFound(model_group_id=request.model_group_id)
    return group
