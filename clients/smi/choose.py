"""Finding what a person means, and asking when they did not say."""

from collections.abc import Sequence

import typer

from clients.smi.calls import Door, Refused
from clients.smi.tables import models, sdas, show
from protocol.v1 import accelerators_pb2 as pb


def list_sdas(door: Door) -> list[pb.Sda]:
    """Read the token's SDAs. Raises Refused."""
    return list(door.call("ListSdas", pb.ListSdasRequest()).sdas)


def list_models(door: Door) -> list[pb.Model]:
    """Read the models that the token may use. Raises Refused."""
    return list(door.call("ListModels", pb.ListModelsRequest()).models)


def sda_by_number(listed: Sequence[pb.Sda], number: int) -> pb.Sda:
    """Find an SDA by the number that people see. Raises Refused."""
    for sda in listed:
        if sda.number == number:
            return sda
    raise Refused(f"There is no device {number}.")


def pick_sda(door: Door, said: str | None) -> pb.Sda | None:
    """Find the SDA that was said, else show all and ask; None when the person quits. Raises Refused."""
    listed = list_sdas(door)
    if said is not None:
        return sda_by_number(listed, _number(said, "device"))
    show(sdas(listed))
    highest = max((sda.number for sda in listed), default=-1)
    answer = ask(0, highest)
    return None if answer is None else sda_by_number(listed, answer)


def pick_model(door: Door, said: str | None) -> pb.Model | None:
    """Find the model that was said (number or name), else show all and ask; None on quitting. Raises Refused."""
    listed = list_models(door)
    if said is None:
        show(models(listed))
        answer = ask(1, len(listed))
        return None if answer is None else model_by_number(listed, answer)
    named = [model for model in listed if model.name == said]
    return named[0] if named else model_by_number(listed, _number(said, "model"))


def model_by_number(listed: Sequence[pb.Model], number: int) -> pb.Model:
    """Find a model by its place in the list, from 1. Raises Refused."""
    if 1 <= number <= len(listed):
        return listed[number - 1]
    raise Refused(f"There is no model {number}: choose 1-{len(listed)}.")


def ask(lowest: int, highest: int) -> int | None:
    """Ask until a number of the range or q comes; None for q and at the end of input. Raises Refused."""
    if highest < lowest:
        raise Refused("There is nothing to choose from.")
    while True:
        try:
            said = input(f"Selection ({lowest}-{highest}, q, Q): ").strip()
        except EOFError:
            return None
        if said in ("q", "Q"):
            return None
        if said.isdecimal() and lowest <= int(said) <= highest:
            return int(said)
        typer.echo(f"Please type a number from {lowest} to {highest}, or q.", err=True)


def _number(said: str, kind: str) -> int:
    if not said.isdecimal():
        raise Refused(f"There is no {kind} {said}.")
    return int(said)
