"""A driver process: `python -m backends.power.driver_process` answers JSON lines on stdin with JSON lines on stdout.

It is started with subprocess and may be killed at any time. Credentials come only over stdin. Operations run
concurrently, those on one BMC one after another.
Lines in: {id, do, driver, host, port, user, password, certificate, timeout, mark} and {id, go}; `mark` is an entry of
the log.
Lines out: {id, ask: "send"} before a control is sent, then one of {id, value} or {id, error, message}.
"""

import asyncio
import json
import os
import resource
import sys
from base64 import b64decode
from dataclasses import asdict
from typing import Any, BinaryIO

from backends.power.driver import CLEAR_LOG, LOG, SENSORS, WEAK_AUTH, BmcAddress, PowerCommand, PowerDriver
from backends.power.drivers import DRIVERS
from backends.power.errors import BmcGarbage, BmcSilent, PowerError
from backends.power.login import BmcLogin
from backends.power.monitoring import LogMark

LONGEST_LINE = 1 << 16  # bytes
Value = str | bool | list[dict[str, Any]] | dict[str, Any] | None
"""What an answer has, as JSON."""


class SendForbidden(PowerError):
    """The parent did not allow the packet to be sent."""


class DriverProcess:
    """Reads requests, runs each as a task of its own, writes answers."""

    def __init__(self, answers: BinaryIO) -> None:
        self._drivers: dict[str, PowerDriver] = {}
        self._answers = answers
        self._may_send: dict[int, asyncio.Future[bool]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, lines: asyncio.StreamReader) -> None:
        """Serve until stdin ends."""
        while line := await lines.readline():
            request = json.loads(line)
            if "go" in request:
                self._allow_send(request)
            else:
                task = asyncio.create_task(self._serve(request))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _allow_send(self, request: dict[str, Any]) -> None:
        answer = self._may_send.get(request["id"])
        if answer and not answer.done():
            answer.set_result(request["go"])

    async def _serve(self, request: dict[str, Any]) -> None:
        try:
            value = await self._carry_out(request)
        except PowerError as error:
            self._write({"id": request["id"], "error": error.code, "message": str(error)})
        except Exception as error:  # the parent must get an answer; the text of an unknown error may hold secrets
            message = f"the driver failed: {type(error).__name__}"
            self._write({"id": request["id"], "error": BmcGarbage.code, "message": message})
        else:
            self._write({"id": request["id"], "value": value})

    async def _carry_out(self, request: dict[str, Any]) -> Value:
        address = BmcAddress(request["host"], request["port"])
        user, password = b64decode(request["user"]), b64decode(request["password"])
        login = BmcLogin(address, user, password, request["driver"], request["certificate"])
        limit = asyncio.timeout(request["timeout"])
        try:
            async with limit:
                if request["do"] in (SENSORS, LOG, CLEAR_LOG):
                    return await _monitor(self._driver(login.driver), request["do"], login, request["mark"])
                return await self._do(request["do"], login, request["id"], limit)
        except TimeoutError:
            raise BmcSilent(f"BMC {address} gave no answer in {request['timeout']:g} s") from None

    async def _do(self, what: str, login: BmcLogin, number: int, limit: asyncio.Timeout) -> Value:
        driver = self._driver(login.driver)
        if what == PowerCommand.STATUS:
            return await driver.state(login)
        if what == PowerCommand.RECONNECT:
            await driver.reconnect(login)
            return None
        if what == WEAK_AUTH:
            return await driver.accepts_weak_auth(login)
        return await driver.control(login, PowerCommand(what), lambda: self._ask_to_send(number, limit))

    def _driver(self, name: str) -> PowerDriver:
        if name not in self._drivers:
            self._drivers[name] = DRIVERS[name].open()
        return self._drivers[name]

    def close(self) -> None:
        """Log out of every BMC."""
        for driver in self._drivers.values():
            driver.close()

    async def _ask_to_send(self, number: int, limit: asyncio.Timeout) -> None:
        """Wait until the parent allows the packet; from then on only the driver's own timeout limits the operation."""
        limit.reschedule(None)
        self._may_send[number] = asyncio.get_running_loop().create_future()
        self._write({"id": number, "ask": "send"})
        try:
            if not await self._may_send[number]:
                raise SendForbidden("the packet was not allowed to leave")
        finally:
            del self._may_send[number]

    def _write(self, answer: dict[str, Any]) -> None:
        self._answers.write(json.dumps(answer).encode() + b"\n")


async def _monitor(driver: PowerDriver, what: str, login: BmcLogin, mark: dict[str, Any] | None) -> Value:
    """Read or clear what a BMC monitors; `mark` is the entry of its log that the request names."""
    if what == SENSORS:
        return [asdict(reading) for reading in await driver.sensors(login)]
    entry = LogMark(**mark) if mark else None
    if what == LOG:
        return asdict(await driver.log(login, entry))
    return await driver.clear_log(login, entry)


async def main() -> None:
    """Serve stdin until the parent closes it, then log out of every BMC."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # one socket per BMC
    lines = asyncio.StreamReader(limit=LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    sys.stdout = sys.stderr  # pyghmi prints to it; only answers may go to the parent
    process = DriverProcess(answers)
    try:
        await process.run(lines)
    finally:
        process.close()


if __name__ == "__main__":
    asyncio.run(main())
