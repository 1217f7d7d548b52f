"""HTTP/1.1 for simulated BMCs, on h11: reads requests from a connection and writes what the BMC answers."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import h11

CHUNK = 1 << 14
TRICKLE = 0.2  # seconds between the bytes of a slow answer


@dataclass(frozen=True, slots=True)
class Call:
    """A request."""

    method: str
    path: str
    token: str
    document: Any


@dataclass(slots=True)
class RedfishAnswer:
    """An answer; `raw` is sent as it is. After it there is silence (`silent`), or the connection ends (`closes`)."""

    status: int = 200
    document: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    silent: bool = False
    closes: bool = False
    trickles: bool = False
    late: float = 0.0


async def serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer_to: Callable[[Call], RedfishAnswer]
) -> None:
    """Answer the requests of a connection until the client closes it."""
    http = h11.Connection(h11.SERVER)
    try:
        while call := await _read(http, reader):
            answer = answer_to(call)
            await asyncio.sleep(answer.late)
            await _write(http, writer, answer)
            if answer.silent:
                await reader.read()  # until the client gives up
            if answer.silent or answer.closes or http.our_state is not h11.DONE:
                return
            http.start_next_cycle()
    except (OSError, h11.ProtocolError):
        return  # a client that is gone, or no HTTP client
    finally:
        writer.close()


async def _read(http: h11.Connection, reader: asyncio.StreamReader) -> Call | None:
    head, body = None, b""
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(CHUNK))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head:
            return _call(head, body)
        else:
            return None


def _call(head: h11.Request, body: bytes) -> Call:
    headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
    try:
        document = json.loads(body) if body else None
    except ValueError:
        document = None
    return Call(head.method.decode(), head.target.decode(), headers.get("x-auth-token", ""), document)


async def _write(http: h11.Connection, writer: asyncio.StreamWriter, answer: RedfishAnswer) -> None:
    body = b"" if answer.document is None else json.dumps(answer.document).encode()
    kind = {"Content-Type": "application/json"} if body else {}
    headers = {"OData-Version": "4.0", **kind, **answer.headers, "Content-Length": str(len(body))}
    head = h11.Response(status_code=answer.status, headers=list(headers.items()))
    events = (head, h11.Data(body), h11.EndOfMessage())
    data = answer.raw if answer.raw is not None else b"".join(http.send(event) or b"" for event in events)
    for start in range(0, len(data), 1) if answer.trickles else ():
        writer.write(data[start : start + 1])
        await writer.drain()
        await asyncio.sleep(TRICKLE)
    if not answer.trickles:
        writer.write(data)
    await writer.drain()
