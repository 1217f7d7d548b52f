"""moreh-switch-model against the Accelerators service on a real connection."""

import json

from protocol.v1 import accelerators_pb2 as pb
from tests.clients.smi_peer import Vm, rows


def test_switch_model_answers_programs_too(vm: Vm) -> None:
    assert len(json.loads(vm.switch_model("--json")[1])["models"]) == 3
    assert json.loads(vm.switch_model("--json", "-M", "2")[1])["model_name"] == "Large.256GB"


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
