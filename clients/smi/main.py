"""moreh-smi: look at this VM's accelerators and change them."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Annotated

import typer

from clients import __version__
from clients.channel import Server
from clients.errors import TokenMissing
from clients.secrets_on_disk import read_token
from clients.smi import tables
from clients.smi.calls import Refused, answer, one_line_errors, open_client, print_json
from clients.smi.choose import list_sdas, pick_model, pick_sda, sda_by_number
from clients.smi.log import JobLog
from protocol.v1 import accelerators_pb2 as pb

HELP = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, context_settings=HELP)

ServerOption = Annotated[str | None, typer.Option(help="host:port; else MOREH_SERVER.")]
TokenFile = Annotated[Path | None, typer.Option(help="Else MOREH_TOKEN or /etc/moreh/token.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.callback(invoke_without_command=True)
@one_line_errors
def smi(  # noqa: PLR0917 - typer passes them by name
    context: typer.Context,
    idx: Annotated[int | None, typer.Option("-i", "--idx", help="Only this device.")] = None,
    reset: Annotated[bool, typer.Option("-r", "--reset", help="Stop its running process.")] = False,
    server_version: Annotated[bool, typer.Option("-s", "--server-version", help="Version of the server.")] = False,
    version: Annotated[bool, typer.Option("-v", "--version", help="Version of this tool, and the latest.")] = False,
    token: Annotated[bool, typer.Option("-t", "--token", help="The token of this VM.")] = False,
    hardware: Annotated[bool, typer.Option("-p", help="Details of the hardware.")] = False,
    as_json: Json = False,
    server: ServerOption = None,
    token_file: TokenFile = None,
) -> None:
    """Show the devices of this VM's token and what runs on them.

    Exit codes: 0 done, 1 refused (the reason is on standard error), 2 wrong usage.
    """
    context.obj = (server, token_file)
    if context.invoked_subcommand:
        return
    if token:
        typer.echo(read_token(token_file))
    elif version:
        _show_version(server, token_file, as_json)
    elif server_version:
        versions = open_client(server, token_file).call("GetVersion", pb.GetVersionRequest())
        answer(versions, versions.server_version, as_json)
    elif reset:
        _reset(server, token_file, idx, as_json)
    else:
        _show(server, token_file, idx, hardware=hardware, as_json=as_json)


@app.command()
@one_line_errors
def device(  # noqa: PLR0917 - typer passes them by name
    context: typer.Context,
    what: Annotated[str | None, typer.Argument(help="Model (--add) or device number; asked for when absent.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the devices.")] = False,
    add: Annotated[bool, typer.Option("--add", help="Add a device of a model.")] = False,
    rm: Annotated[bool, typer.Option("--rm", help="Remove a device.")] = False,
    switch: Annotated[bool, typer.Option("--switch", help="Make a device the current one.")] = False,
    as_json: Json = False,
) -> None:
    """List, add, remove or switch devices: --list, --add [MODEL], --rm [DEVICE], --switch [DEVICE]."""
    server, token_file = context.obj
    if sum((list_, add, rm, switch)) > 1:
        raise typer.BadParameter("Only one of --list, --add, --rm and --switch.")
    if add:
        _add(server, token_file, what, as_json)
    elif rm:
        _remove(server, token_file, what, as_json)
    elif switch:
        _switch(server, token_file, what, as_json)
    else:
        _list(server, token_file, as_json)


@app.command()
@one_line_errors
def log(
    context: typer.Context,
    job: Annotated[int, typer.Argument(min=1, help="Number of a job of this VM.")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the job has ended.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="So many last lines of each node.")] = 100,
) -> None:
    """Print the last output of a job's workers, and with -f what follows."""
    server, token_file = context.obj
    output = JobLog(Server.from_env(server), read_token(token_file), job)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(output.show(lines, follow=follow))


def _show(server: str | None, token_file: Path | None, idx: int | None, *, hardware: bool, as_json: bool) -> None:
    listed = list_sdas(open_client(server, token_file))
    chosen = listed if idx is None else [sda_by_number(listed, idx)]
    if as_json:
        print_json(pb.ListSdasResponse(sdas=chosen))
    elif hardware:
        tables.show(tables.hardware(chosen))
    else:
        tables.show(tables.sdas(chosen), tables.processes(chosen))


def _show_version(server: str | None, token_file: Path | None, as_json: bool) -> None:
    try:
        latest = open_client(server, token_file).call("GetVersion", pb.GetVersionRequest()).latest_client_version
    except (Refused, TokenMissing):
        latest = ""  # our own version is known without a server
    if as_json:
        typer.echo(json.dumps({"current_version": __version__, "latest_version": latest}))
        return
    typer.echo(f"Current Version: {__version__}")
    if latest:
        typer.echo(f"Latest Version: {latest}")


def _reset(server: str | None, token_file: Path | None, idx: int | None, as_json: bool) -> None:
    client = open_client(server, token_file)
    sda_id = 0 if idx is None else sda_by_number(list_sdas(client), idx).sda_id
    done = client.call("Reset", pb.ResetRequest(sda_id=sda_id))
    jobs = ", ".join(map(str, done.job_ids))
    answer(done, f"Stopped job {jobs}." if jobs else "Nothing was running.", as_json)


def _list(server: str | None, token_file: Path | None, as_json: bool) -> None:
    listed = list_sdas(open_client(server, token_file))
    if as_json:
        print_json(pb.ListSdasResponse(sdas=listed))
    else:
        tables.show(tables.sdas(listed))


def _add(server: str | None, token_file: Path | None, what: str | None, as_json: bool) -> None:
    client = open_client(server, token_file)
    if (model := pick_model(client, what)) is None:
        return
    request = pb.AddSdaRequest(model_id=model.model_id, model_group_id=model.model_group_id)
    added = client.call("AddSda", request)
    answer(added, f"Device {added.number} ({added.model_name}) was added.", as_json)


def _remove(server: str | None, token_file: Path | None, what: str | None, as_json: bool) -> None:
    client = open_client(server, token_file)
    if (sda := pick_sda(client, what)) is None:
        return
    client.call("RemoveSda", pb.RemoveSdaRequest(sda_id=sda.sda_id))
    answer(sda, f"Device {sda.number} ({sda.model_name}) was removed.", as_json)


def _switch(server: str | None, token_file: Path | None, what: str | None, as_json: bool) -> None:
    client = open_client(server, token_file)
    if (sda := pick_sda(client, what)) is None:
        return
    current = client.call("SetCurrent", pb.SetCurrentRequest(sda_id=sda.sda_id))
    answer(current, f"Device {current.number} ({current.model_name}) is the current one.", as_json)


def main() -> None:
    """Console entry."""
    app(prog_name="moreh-smi")


if __name__ == "__main__":
    main()
