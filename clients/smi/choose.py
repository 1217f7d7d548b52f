"""Questions to a person about what the command line left open."""

from collections.abc import Sequence

import typer

from clients.smi.calls import AcceleratorsClient, Refused
from clients.smi.tables import models, sdas, show
from protocol.v1 import accelerators_pb2 as pb

MOST_DIGITS = 10


def list_sdas(client: AcceleratorsClient) -> list[pb.Sda]:
    """Read the token's SDAs. Raises Refused."""
    return list(client.call("ListSdas", pb.ListSdasRequest()).sdas)


def list_models(client: AcceleratorsClient) -> list[pb.Model]:
    """Read the models that the token may use. Raises Refused."""
    return list(client.call("ListModels", pb.ListModelsRequest()).models)


def sda_by_number(listed: Sequence[pb.Sda], number: int) -> pb.Sda:
    """Return the SDA with the number that people see. Raises Refused."""
    for sda in listed:
        if sda.number == number:
            return sda
    raise Refused(f"There is no device {number}.")


def pick_sda(client: AcceleratorsClient, named: str | None) -> pb.Sda | None:
    """Return the SDA that was named, or that the person chooses from the list; None when they quit. Raises Refused."""
    listed = list_sdas(client)
    if named is not None:
        return sda_by_number(listed, _number(named, "device"))
    show(sdas(listed))
    highest = max((sda.number for sda in listed), default=-1)
    answer = ask(0, highest)
    return None if answer is None else sda_by_number(listed, answer)


def pick_model(client: AcceleratorsClient, named: str | None) -> pb.Model | None:
    """Return the model that was named, or that the person chooses; None when they quit. Raises Refused."""
    listed = list_models(client)
    if named is None:
        show(models(listed))
        answer = ask(1, len(listed))
        return None if answer is None else model_by_number(listed, answer)
    found = [model for model in listed if model.name == named]
    return found[0] if found else model_by_number(listed, _number(named, "model"))


def model_by_number(listed: Sequence[pb.Model], number: int) -> pb.Model:
    """Return a model by its place in the list, from 1. Raises Refused."""
    if 1 <= number <= len(listed):
        return listed[number - 1]
    raise Refused(f"There is no model {number}: choose 1-{len(listed)}.")


def ask(lowest: int, highest: int) -> int | None:
    """Prompt until a number of the range or q is entered; return None for q and at the end of input. Raises Refused."""
    if highest < lowest:
        raise Refused("There is nothing to choose from.")
    while True:
        try:
            answer = input(f"Selection ({lowest}-{highest}, q, Q): ").strip()
        except EOFError:
            return None
        if answer in ("q", "Q"):
            return None
        number = _whole(answer)
        if number is not None and lowest <= number <= highest:
            return number
        typer.echo(f"Please type a number from {lowest} to {highest}, or q.", err=True)


def _number(answer: str, kind: str) -> int:
    number = _whole(answer)
    if number is None:
        raise Refused(f"There is no {kind} {answer}.")
    return number


def _whole(answer: str) -> int | None:
    """Return a whole number that somebody typed; None for anything else, and for more digits than any list is long."""
    return int(answer) if answer.isascii() and answer.isdecimal() and len(answer) < MOST_DIGITS else None
