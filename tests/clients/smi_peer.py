"""A manager's end of the Accelerators service, in memory, and a VM with the tools that call it."""

from typing import Any

import grpc
from typer.testing import CliRunner

from clients.smi.main import app as smi
from clients.smi.switch_model import app as switch_model
from protocol.v1 import accelerators_pb2 as pb
from protocol.v1.accelerators_pb2_grpc import AcceleratorsServicer
from tests.clients.job_peer import TOKEN, rich

Context = grpc.aio.ServicerContext[Any, Any]


class Accelerators(AcceleratorsServicer):
    """A token with two SDAs, the first current and at work, and three models in two groups."""

    def __init__(self) -> None:
        held = pb.HeldDevice(host="node01", index=3, model="MI250", total_memory_mib=65536, used_memory_mib=4096)
        held.temperature_celsius, held.power_watts, held.utilization_percent = 55, 300, 80
        process = pb.Process(job_id=42, pid=4711, process_name="python", used_memory_mib=4096, status="RUNNING")
        group: dict[str, Any] = {"model_group_id": 1, "model_group_name": "gold"}
        self.models = [
            pb.Model(model_id=1, name="Small.64GB", device_count=1, current=True, **group),
            pb.Model(model_id=2, name="Large.256GB", device_count=4, **group),
            pb.Model(model_id=1, name="Small.64GB", device_count=1, model_group_id=2, model_group_name="silver"),
        ]
        self.sdas = [
            pb.Sda(
                sda_id=70,
                number=0,
                name="training",
                model_name="Small.64GB",
                used_memory_mib=4096,
                total_memory_mib=65536,
                utilization_percent=80,
                current=True,
                processes=[process],
                devices=[held],
            ),
            pb.Sda(sda_id=71, number=1, model_name="Large.256GB", total_memory_mib=262144),
        ]
        self.asked: list[Any] = []
        self.busy = False

    async def ListSdas(self, request: pb.ListSdasRequest, context: Context) -> pb.ListSdasResponse:  # noqa: N802
        await self._take(request, context)
        return pb.ListSdasResponse(sdas=self.sdas)

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:  # noqa: N802
        await self._take(request, context)
        return pb.ListModelsResponse(models=self.models)

    async def AddSda(self, request: pb.AddSdaRequest, context: Context) -> pb.Sda:  # noqa: N802
        await self._take(request, context)
        return pb.Sda(sda_id=72, number=2, model_name="Large.256GB")

    async def RemoveSda(self, request: pb.RemoveSdaRequest, context: Context) -> pb.RemoveSdaResponse:  # noqa: N802
        await self._take(request, context)
        return pb.RemoveSdaResponse()

    async def SetCurrent(self, request: pb.SetCurrentRequest, context: Context) -> pb.Sda:  # noqa: N802
        await self._take(request, context)
        return self.sdas[1]

    async def SwitchModel(self, request: pb.SwitchModelRequest, context: Context) -> pb.Sda:  # noqa: N802
        await self._take(request, context)
        if self.busy:
            text = "The SDA cannot be switched while in use."
            await context.abort_with_status(rich(grpc.StatusCode.FAILED_PRECONDITION, "SDA_IN_USE", text))
        return pb.Sda(sda_id=70, model_name="Large.256GB")

    async def Reset(self, request: pb.ResetRequest, context: Context) -> pb.ResetResponse:  # noqa: N802
        await self._take(request, context)
        return pb.ResetResponse(job_ids=[42] if request.sda_id in (0, 70) else [])

    async def GetVersion(self, request: pb.GetVersionRequest, context: Context) -> pb.GetVersionResponse:  # noqa: N802
        await self._take(request, context)
        return pb.GetVersionResponse(server_version="9.8.7", latest_client_version="0.2.0")

    async def _take(self, request: object, context: Context) -> None:
        if dict(context.invocation_metadata() or ()).get("authorization") != f"Bearer {TOKEN}":
            await context.abort_with_status(rich(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", "Log in first."))
        self.asked.append(request)


class Vm:
    """A VM with its tools; the server runs in a thread, as the tools bring event loops of their own."""

    def __init__(self, served: Accelerators, port: int) -> None:
        self.served = served
        self.env = {"MOREH_SERVER": f"127.0.0.1:{port}", "MOREH_TOKEN": TOKEN, "COLUMNS": "40", "TERM": "dumb"}

    def smi(self, *arguments: str, typed: str = "", **env: str | None) -> tuple[int, str, str]:
        result = CliRunner().invoke(smi, arguments, input=typed, env={**self.env, **env})
        return result.exit_code, result.stdout, result.stderr

    def switch_model(self, *arguments: str, typed: str = "") -> tuple[int, str, str]:
        result = CliRunner().invoke(switch_model, arguments, input=typed, env=self.env)
        return result.exit_code, result.stdout, result.stderr


def rows(output: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in output.splitlines() if line[:1] == "|"]
