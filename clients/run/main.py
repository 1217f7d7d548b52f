"""moreh-run: run a command on the devices of an SDA."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from clients import __version__
from clients.channel import Server
from clients.run.client import JobClient, Request
from clients.run.session import Session
from clients.secrets_on_disk import TokenMissing, read_token

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(  # noqa: PLR0917 - typer passes them by name
    command: Annotated[list[str], typer.Argument(help="The command and its arguments, after --")],
    server: Annotated[str | None, typer.Option(help="host:port; else MOREH_SERVER.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="Else MOREH_TOKEN or /etc/moreh/token.")] = None,
    sda: Annotated[int, typer.Option(help="Id of the SDA; 0: the current one.")] = 0,
    framework: Annotated[str, typer.Option(help="Shown to the operators.")] = "",
    time_limit: Annotated[
        int, typer.Option(min=0, help="Seconds after which the job ends; short jobs may start sooner. 0: none.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Progress as JSON lines.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,  # noqa: ARG001
) -> None:
    """Ask for the devices of an SDA, run COMMAND on them, give them back.

    COMMAND finds MOREH_JOB_ID, MOREH_WORKERS (ip:port,…) and MOREH_DEVICES (host:0,1;…) in its environment.
    The exit code is COMMAND's (128 + n for signal n), or: 1 no token, 125 no devices, 126 and 127 as in a shell.
    """
    try:
        token = read_token(token_file)
    except TokenMissing as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from error
    name = Path(command[0]).name
    request = Request(sda_id=sda, process_name=name, framework=framework, time_limit_s=time_limit)
    raise typer.Exit(asyncio.run(_run(Server.from_env(server), token, request, command, _say(as_json))))


async def _run(server: Server, token: str, request: Request, command: list[str], say: Callable[[str], None]) -> int:
    job = JobClient(server, token, request, outage=lambda text: say(f"{text} Trying again for a minute."))
    return await Session(job, command, say).run()


def _say(as_json: bool) -> Callable[[str], None]:
    def say(text: str) -> None:
        line = json.dumps({"progress": text}, ensure_ascii=False) if as_json else f"moreh-run: {text}"
        print(line, file=sys.stderr, flush=True)

    return say


def main() -> None:
    """Console entry."""
    app(prog_name="moreh-run")


if __name__ == "__main__":
    main()
