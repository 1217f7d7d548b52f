"""moreh-smi against the Accelerators service on a real connection."""

import json
from pathlib import Path

import pytest

from protocol.v1 import accelerators_pb2 as pb
from tests.clients.job_peer import TOKEN
from tests.clients.smi_peer import Vm, rows


def test_memory_that_could_not_be_read_is_a_dash(vm: Vm) -> None:
    vm.served.sdas[1].total_memory_mib = 0
    _code, output, _errors = vm.smi()
    assert ["1", "-", "Large.256GB", "-", "-", "-"] in rows(output)


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


@pytest.mark.parametrize("name", ["A100 [/80GB]", "A100 [nvlink]", "x[red]y[/red]", ":warning:", "[link=x]z", "a\\[b"])
def test_names_are_shown_as_they_are(vm: Vm, name: str) -> None:
    sda, model = vm.served.sdas[0], vm.served.models[0]
    sda.name = sda.model_name = sda.processes[0].process_name = name
    sda.devices[0].host = sda.devices[0].model = model.name = model.model_group_name = name
    _device, first, _second, _job, process = rows(vm.smi()[1])
    assert (first[1:3], process[3]) == ([name, name], name)
    held = rows(vm.smi("-p")[1])[1]
    assert (held[1], held[3]) == (name, name)
    assert rows(vm.smi("device", "--add", typed="q\n")[1])[1] == ["* 1", name, "1", name]
    assert rows(vm.switch_model(typed="q\n")[1])[1] == ["* 1", name, "1", name]
    assert vm.smi("device", "--add", name) == (0, "Device 2 (Large.256GB) was added.\n", "")
    assert vm.smi("device", "--add", "[/no]") == (1, "", "There is no model [/no].\n")


def test_wrong_usage_quotes_markup_as_it_is(vm: Vm) -> None:
    code, _output, errors = vm.smi("-i", "[/red]")
    assert (code, "'[/red]'" in errors) == (2, True)


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


def test_a_setting_that_means_nothing_is_one_line(vm: Vm) -> None:
    assert vm.smi(MOREH_TLS="true") == (1, "", "MOREH_TLS is 'true': 1 (TLS) or 0 (plain) is expected.\n")
    assert vm.smi("-v", MOREH_SERVER="cloud")[::2] == (
        1,
        "MOREH_SERVER is 'cloud': host:port is expected, as in cloud.example:50052.\n",
    )


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
    assert vm.smi("device", "--rm", "9" * 5000) == (1, "", f"There is no device {'9' * 5000}.\n")
    assert vm.smi("device", "--rm", "²") == (1, "", "There is no device ².\n")
    assert vm.smi("device", "--add", "Huge") == (1, "", "There is no model Huge.\n")
    assert vm.smi("device", "--add", "--rm")[0] == 2
    assert rows(vm.smi("device")[1])[1][0] == "* 0"
