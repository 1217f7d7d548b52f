"""moreh-switch-model: give the current device another model."""

from typing import Annotated

import typer

from clients.smi import tables
from clients.smi.calls import answer, one_line_errors, open_client, print_json
from clients.smi.choose import ask, list_models, model_by_number
from clients.smi.main import HELP, Json, ServerOption, TokenFile
from protocol.v1 import accelerators_pb2 as pb

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, context_settings=HELP)


@app.command()
@one_line_errors
def switch_model(
    model: Annotated[int | None, typer.Option("-M", "--model", help="Its number; without it you are asked.")] = None,
    as_json: Json = False,
    server: ServerOption = None,
    token_file: TokenFile = None,
) -> None:
    """List the models that this VM's token may use and switch the current device to one of them.

    With --json and without -M it only lists them.

    Exit codes: 0 switched or quit, 1 refused (the reason is on standard error), 2 wrong usage.
    """
    client = open_client(server, token_file)
    listed = list_models(client)
    if model is None and as_json:
        print_json(pb.ListModelsResponse(models=listed))
        return
    if model is None:
        tables.show(tables.models(listed))
        model = ask(1, len(listed))
    if model is None:
        return
    chosen = model_by_number(listed, model)
    request = pb.SwitchModelRequest(model_id=chosen.model_id, model_group_id=chosen.model_group_id)
    sda = client.call("SwitchModel", request)
    answer(sda, f"The model was switched to {sda.model_name}.", as_json)


def main() -> None:
    """Console entry."""
    app(prog_name="moreh-switch-model")


if __name__ == "__main__":
    main()
