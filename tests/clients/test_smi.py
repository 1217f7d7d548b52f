"""moreh-smi and moreh-switch-model against the Accelerators service on a real connection."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner

from clients.smi.main import app as smi
from clients.smi.switch_model import app as switch_model
from protocol import wire
from protocol.v1 import accelerators_pb2 as pb
from protocol.v1.accelerators_pb2_grpc import AcceleratorsServicer, add_AcceleratorsServicer_to_server
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


@pytest.fixture
def vm() -> Iterator[Vm]:
    served, ready, over = Accelerators(), threading.Event(), threading.Event()
    port: list[int] = []

    async def serve() -> None:
        server = grpc.aio.server(options=wire.SERVER_OPTIONS)
        add_AcceleratorsServicer_to_server(served, server)
        port.append(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        ready.set()
        while not over.is_set():
            await asyncio.sleep(0.01)
        await server.stop(None)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    yield Vm(served, port[0])
    over.set()
    thread.join()


def rows(output: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in output.splitlines() if line[:1] == "|"]


def test_the_table_shows_devices_and_under_it_processes(vm: Vm) -> None:
    code, output, errors = vm.smi()
    assert (code, errors) == (0, "")
    assert rows(output) == [
        ["Device", "Name", "Model", "Memory Usage", "Total Memory", "Utilization"],
        ["* 0", "training", "Small.64GB", "4096 MiB", "65536 MiB", "80 %"],
        ["1", "-", "Large.256GB", "-", "262144 MiB", "-"],
        ["Device", "Job ID", "PID", "Process", "Status", "Memory Usage"],
        ["0", "42", "4711", "python", "running", "4096 MiB"],
    ]


def test_one_device_only(vm: Vm) -> None:
    assert [row[0] for row in rows(vm.smi("-i", "1")[1])] == ["Device", "1", "Device"]
    assert vm.smi("-i", "9") == (1, "", "There is no device 9.\n")


def test_hardware_details(vm: Vm) -> None:
    assert rows(vm.smi("-p")[1])[1] == ["0", "node01", "3", "MI250", "4096 / 65536 MiB", "55 °C", "300 W", "80 %"]


def test_json_has_every_field(vm: Vm) -> None:
    listed = json.loads(vm.smi("--json")[1])["sdas"]
    assert [(sda["sda_id"], sda["number"], sda["current"]) for sda in listed] == [("70", 0, True), ("71", 1, False)]
    assert listed[0]["processes"][0]["process_name"] == "python"


JSON_ANSWERS: dict[tuple[str, ...], tuple[str, object]] = {
    ("-s", "--json"): ("server_version", "9.8.7"),
    ("-v", "--json"): ("latest_version", "0.2.0"),
    ("-r", "--json"): ("job_ids", ["42"]),
    ("device", "--list", "--json"): ("sdas", None),
    ("device", "--add", "2", "--json"): ("sda_id", "72"),
    ("device", "--rm", "1", "--json"): ("sda_id", "71"),
    ("device", "--switch", "1", "--json"): ("sda_id", "71"),
}


@pytest.mark.parametrize("command", JSON_ANSWERS, ids=" ".join)
def test_everything_answers_programs_too(vm: Vm, command: tuple[str, ...]) -> None:
    field, value = JSON_ANSWERS[command]
    code, output, errors = vm.smi(*command)
    assert (code, errors) == (0, "")
    found = json.loads(output)[field]
    assert value is None or found == value


def test_switch_model_answers_programs_too(vm: Vm) -> None:
    assert len(json.loads(vm.switch_model("--json")[1])["models"]) == 3
    assert json.loads(vm.switch_model("--json", "-M", "2")[1])["model_name"] == "Large.256GB"


def test_reset_stops_the_job_of_a_device(vm: Vm) -> None:
    assert vm.smi("-r") == (0, "Stopped job 42.\n", "")
    assert vm.smi("-r", "-i", "1") == (0, "Nothing was running.\n", "")
    assert vm.served.asked[-1] == pb.ResetRequest(sda_id=71)


def test_versions_and_token(vm: Vm) -> None:
    assert vm.smi("-s") == (0, "9.8.7\n", "")
    assert vm.smi("-v") == (0, "Current Version: 0.1.0\nLatest Version: 0.2.0\n", "")
    assert vm.smi("-v", MOREH_TOKEN="") == (0, "Current Version: 0.1.0\n", "")
    assert vm.smi("-t") == (0, f"{TOKEN}\n", "")


def test_the_token_is_read_from_a_file_and_missed_when_absent(vm: Vm, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert vm.smi("--token-file", str(file), "-s", MOREH_TOKEN="wrong")[0] == 0
    assert vm.smi(MOREH_TOKEN="") == (1, "", "SDA token is not given.\n")
    assert vm.smi("device", "--list", MOREH_TOKEN="") == (1, "", "SDA token is not given.\n")
    assert vm.smi(MOREH_TOKEN="wrong") == (1, "", "Log in first. (UNAUTHENTICATED)\n")


def test_a_server_that_is_not_there_is_named(vm: Vm) -> None:
    assert vm.smi(MOREH_SERVER="127.0.0.1:1") == (
        1,
        "",
        "The server 127.0.0.1:1 cannot be reached. (UNAVAILABLE)\n",
    )


DEVICE_COMMANDS = {
    "add by name": (
        ("--add", "Large.256GB"),
        "",
        pb.AddSdaRequest(model_id=2, model_group_id=1),
        "Device 2 (Large.256GB) was added.",
    ),
    "add by number, in another group": (
        ("--add", "3"),
        "",
        pb.AddSdaRequest(model_id=1, model_group_id=2),
        "Device 2 (Large.256GB) was added.",
    ),
    "add after asking": (
        ("--add",),
        "x\n9\n2\n",
        pb.AddSdaRequest(model_id=2, model_group_id=1),
        "Device 2 (Large.256GB) was added.",
    ),
    "remove": (("--rm", "1"), "", pb.RemoveSdaRequest(sda_id=71), "Device 1 (Large.256GB) was removed."),
    "remove after asking": (("--rm",), "0\n", pb.RemoveSdaRequest(sda_id=70), "Device 0 (Small.64GB) was removed."),
    "switch": (("--switch", "1"), "", pb.SetCurrentRequest(sda_id=71), "Device 1 (Large.256GB) is the current one."),
    "quit": (("--rm",), "q\n", pb.ListSdasRequest(), ""),
    "end of input": (("--switch",), "", pb.ListSdasRequest(), ""),
}


@pytest.mark.parametrize("case", DEVICE_COMMANDS)
def test_device_commands(vm: Vm, case: str) -> None:
    arguments, typed, asked, said = DEVICE_COMMANDS[case]
    code, output, _errors = vm.smi("device", *arguments, typed=typed)
    assert code == 0
    assert vm.served.asked[-1] == asked
    assert output.rstrip("\n").endswith(said)


def test_device_refuses_what_is_not_there_and_two_verbs(vm: Vm) -> None:
    assert vm.smi("device", "--rm", "5") == (1, "", "There is no device 5.\n")
    assert vm.smi("device", "--add", "Huge") == (1, "", "There is no model Huge.\n")
    assert vm.smi("device", "--add", "--rm")[0] == 2
    assert rows(vm.smi("device")[1])[1][0] == "* 0"


def test_switch_model_lists_asks_and_switches(vm: Vm) -> None:
    code, output, _errors = vm.switch_model(typed="2\n")
    assert code == 0
    assert rows(output) == [
        ["", "Model", "Devices", "Group"],
        ["* 1", "Small.64GB", "1", "gold"],
        ["2", "Large.256GB", "4", "gold"],
        ["3", "Small.64GB", "1", "silver"],
    ]
    assert "Selection (1-3, q, Q): " in output
    assert output.endswith("The model was switched to Large.256GB.\n")
    assert vm.served.asked[-1] == pb.SwitchModelRequest(model_id=2, model_group_id=1)


def test_switch_model_shows_no_groups_when_there_is_one(vm: Vm) -> None:
    del vm.served.models[2]
    assert rows(vm.switch_model(typed="Q\n")[1])[0] == ["", "Model", "Devices"]
    assert vm.served.asked[-1] == pb.ListModelsRequest()


def test_switch_model_without_asking(vm: Vm) -> None:
    assert vm.switch_model("-M", "2") == (0, "The model was switched to Large.256GB.\n", "")
    assert vm.switch_model("-M", "4") == (1, "", "There is no model 4: choose 1-3.\n")
    vm.served.busy = True
    assert vm.switch_model("-M", "2") == (1, "", "The SDA cannot be switched while in use. (SDA_IN_USE)\n")
