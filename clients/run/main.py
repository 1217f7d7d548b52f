"""moreh-run: run a command on the devices of an SDA."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from clients import __version__
from clients.channel import Server, sendable
from clients.errors import SettingError
from clients.run import check
from clients.run.client import DeviceRequest, JobClient
from clients.run.errors import JobRefused
from clients.run.session import FAILED, Session
from clients.secrets_on_disk import read_token
from protocol import wire

WOULD_WAIT = 75  # as sysexits.h says it: try again later
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
    sda: Annotated[int, typer.Option(min=0, max=wire.MAX_ID, help="Id of the SDA; 0: the current one.")] = 0,
    framework: Annotated[str, typer.Option(help="Shown to the operators.")] = "",
    time_limit: Annotated[
        int,
        typer.Option(
            min=0,
            max=wire.MAX_TIME_LIMIT_S,
            help="Seconds after which the job ends; short jobs may start sooner. 0: none.",
        ),
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would become of it; ask for nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Progress as JSON lines.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,  # noqa: ARG001
) -> None:
    """Run COMMAND on the devices of an SDA, then give them back.

    COMMAND finds MOREH_JOB_ID, MOREH_WORKERS (ip:port,…) and MOREH_DEVICES (host:0,1;…) in its environment.
    The exit code is COMMAND's (128 + n for signal n), or: 1 no token or a setting that means
    nothing, 125 no devices, 126 and 127 as in a shell.
    With --dry-run: 0 it would start at once, 75 it would wait, 125 the server did not say.
    """
    try:
        token, address = read_token(token_file), Server.from_env(server)
    except SettingError as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from error
    name = sendable(Path(command[0]).name)
    request = DeviceRequest(sda_id=sda, process_name=name, framework=sendable(framework), time_limit_s=time_limit)
    if dry_run:
        raise typer.Exit(_try(address, token, request, _reporter(as_json)))
    raise typer.Exit(asyncio.run(_run(address, token, request, command, _reporter(as_json))))


def _try(server: Server, token: str, request: DeviceRequest, report: Callable[[str], None]) -> int:
    try:
        answer = check.check(server, token, request)
    except JobRefused as refusal:
        report(f"{refusal} ({refusal.code})")
        return FAILED
    for line in check.lines(answer):
        report(line)
    return 0 if answer.starts else WOULD_WAIT


async def _run(
    server: Server, token: str, request: DeviceRequest, command: list[str], report: Callable[[str], None]
) -> int:
    job = JobClient(server, token, request, outage=lambda text: report(f"{text} Trying again for a minute."))
    return await Session(job, command, report).run()


def _reporter(as_json: bool) -> Callable[[str], None]:
    def report(text: str) -> None:
        line = json.dumps({"progress": text}, ensure_ascii=False) if as_json else f"moreh-run: {text}"
        print(line, file=sys.stderr, flush=True)

    return report


def main() -> None:
    """Console entry."""
    app(prog_name="moreh-run")


if __name__ == "__main__":
    main()
