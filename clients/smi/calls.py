"""One call to the server for one command."""

import asyncio
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec

import grpc
import typer
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from clients.channel import Server, bearer, code_of, explain
from clients.errors import SettingError
from clients.secrets_on_disk import read_token
from protocol.v1.accelerators_pb2_grpc import AcceleratorsStub

TIMEOUT = 15.0  # seconds

P = ParamSpec("P")


class Refused(Exception):
    """The server refused a command, or its state does not allow it; the text is for a person."""


class AcceleratorsClient:
    """The Accelerators service as the VM's token sees it."""

    def __init__(self, server: Server, token: str) -> None:
        self.server = server
        self._metadata = bearer(token)

    def call(self, method: str, request: object) -> Any:
        """Make one call. Raises Refused."""
        try:
            return asyncio.run(self._ask(method, request))
        except grpc.aio.AioRpcError as error:
            raise Refused(f"{explain(error, self.server)} ({code_of(error)})") from error
        except OSError as error:
            raise Refused(str(error)) from error

    async def _ask(self, method: str, request: object) -> Any:
        async with self.server.connect() as channel:
            return await getattr(AcceleratorsStub(channel), method)(request, metadata=self._metadata, timeout=TIMEOUT)


def open_client(server: str | None, token_file: Path | None) -> AcceleratorsClient:
    """Return a client of the server for the VM's token. Raises SettingError."""
    return AcceleratorsClient(Server.from_env(server), read_token(token_file))


def answer(message: Message, text: str, as_json: bool) -> None:
    """Print what was done: a sentence for people, the message itself for programs."""
    if as_json:
        print_json(message)
    else:
        typer.echo(text)


def print_json(message: Message) -> None:
    """Print a message with all of its fields."""
    typer.echo(MessageToJson(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True))


def one_line_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Print errors of a command as one line on standard error and exit with code 1."""

    @functools.wraps(command)
    def spoken(*arguments: P.args, **options: P.kwargs) -> None:
        try:
            command(*arguments, **options)
        except (SettingError, Refused) as error:
            typer.echo(error, err=True)
            raise typer.Exit(1) from error

    return spoken
