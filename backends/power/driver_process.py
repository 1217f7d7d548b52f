"""A driver process: `python -m backends.power.driver_process` answers JSON lines on stdin with JSON lines on stdout.

It is started with subprocess and may be killed at any time. Credentials come only over stdin. Operations run side by
side; those on one BMC one after another. Lines in: {id, do, host, port, user, password, timeout}, {id, go}.
Lines out: {id, ask: "send"} before a control leaves, then one of {id, value} or {id, error, message}.
"""

import asyncio
import json
import os
import resource
import sys
from base64 import b64decode
from typing import Any, BinaryIO

from backends.power.driver import (
    WEAK_AUTH,
    BmcAddress,
    BmcGarbage,
    BmcLogin,
    BmcSilent,
    PowerCommand,
    PowerDriver,
    PowerError,
)
from backends.power.ipmi_driver import IpmiDriver

LONGEST_LINE = 1 << 16  # bytes


class Forbidden(PowerError):
    """The parent did not allow the packet to leave."""


class DriverProcess:
    """Reads orders, runs each as a task of its own, writes answers."""

    def __init__(self, driver: PowerDriver, answers: BinaryIO) -> None:
        self._driver = driver
        self._answers = answers
        self._may_send: dict[int, asyncio.Future[bool]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, lines: asyncio.StreamReader) -> None:
        """Serve until stdin ends."""
        while line := await lines.readline():
            order = json.loads(line)
            if "go" in order:
                self._release(order)
            else:
                task = asyncio.create_task(self._serve(order))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _release(self, order: dict[str, Any]) -> None:
        answer = self._may_send.get(order["id"])
        if answer and not answer.done():
            answer.set_result(order["go"])

    async def _serve(self, order: dict[str, Any]) -> None:
        try:
            value = await self._carry_out(order)
        except PowerError as error:
            self._write({"id": order["id"], "error": error.code, "message": str(error)})
        except Exception as error:  # what nobody foresaw must not leave the parent waiting; its text may hold secrets
            why = f"the driver failed: {type(error).__name__}"
            self._write({"id": order["id"], "error": BmcGarbage.code, "message": why})
        else:
            self._write({"id": order["id"], "value": value})

    async def _carry_out(self, order: dict[str, Any]) -> str | bool | None:
        address = BmcAddress(order["host"], order["port"])
        login = BmcLogin(address, b64decode(order["user"]), b64decode(order["password"]))
        limit = asyncio.timeout(order["timeout"])
        try:
            async with limit:
                return await self._do(order["do"], login, order["id"], limit)
        except TimeoutError:
            raise BmcSilent(f"BMC {address} gave no answer in {order['timeout']:g} s") from None

    async def _do(self, what: str, login: BmcLogin, number: int, limit: asyncio.Timeout) -> str | bool | None:
        if what == PowerCommand.STATUS:
            return await self._driver.state(login)
        if what == PowerCommand.RECONNECT:
            await self._driver.reconnect(login)
            return None
        if what == WEAK_AUTH:
            return await self._driver.accepts_weak_auth(login)
        return await self._driver.control(login, PowerCommand(what), lambda: self._ask_to_send(number, limit))

    async def _ask_to_send(self, number: int, limit: asyncio.Timeout) -> None:
        """Wait for the parent's word; from then on only the driver's own wait for the answer counts."""
        limit.reschedule(None)
        self._may_send[number] = asyncio.get_running_loop().create_future()
        self._write({"id": number, "ask": "send"})
        try:
            if not await self._may_send[number]:
                raise Forbidden("the packet was not allowed to leave")
        finally:
            del self._may_send[number]

    def _write(self, answer: dict[str, Any]) -> None:
        self._answers.write(json.dumps(answer).encode() + b"\n")


async def main() -> None:
    """Serve stdin until the parent closes it, then log out of every BMC."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # one socket per BMC
    lines = asyncio.StreamReader(limit=LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    driver = IpmiDriver()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    sys.stdout = sys.stderr  # pyghmi prints; only answers may go to the parent
    try:
        await DriverProcess(driver, answers).run(lines)
    finally:
        driver.close()


if __name__ == "__main__":
    asyncio.run(main())
