"""moreh-run that cannot run or request: commands, servers, tokens and numbers, each refused in one line."""

import asyncio
from pathlib import Path

import pytest

from tests.clients.job_peer import RUNNING, TOKEN, manager
from tests.clients.run_process import end_of, python, run

pytestmark = [pytest.mark.slow, pytest.mark.only_sqlite]
CANNOT_RUN = {
    "no-such-program": (127, "No such file or directory"),
    "/no/such/program": (127, "No such file or directory"),
    "/etc/passwd": (126, "Permission denied"),
    "/etc": (126, "Permission denied"),
}


@pytest.mark.parametrize("command", CANNOT_RUN)
def test_a_command_that_cannot_run_asks_for_nothing(command: str) -> None:
    async def tell() -> None:
        async with manager() as (served, _):
            code, why = CANNOT_RUN[command]
            process = await run(served.port, command)
            assert await end_of(process) == (code, "", [f"moreh-run: {command}: {why}"])
            assert served.streams == 0

    asyncio.run(tell())


def test_a_command_that_goes_away_while_it_waits_gives_the_devices_back(tmp_path: Path) -> None:
    async def tell() -> None:
        command = tmp_path / "train"
        command.write_text("#!/bin/sh")
        command.chmod(0o755)
        async with manager() as (served, _):
            process = await run(served.port, str(command))
            await served.hears("open")
            command.unlink()
            served.say(RUNNING)
            code, _output, errors = await end_of(process)
            assert (code, errors[-2]) == (127, f"moreh-run: {command}: No such file or directory")
            await served.hears("cancel")

    asyncio.run(tell())


def test_a_server_that_is_not_there_is_told_once_and_found_when_it_comes() -> None:
    async def tell() -> None:
        async with manager() as (served, _):
            await served.close()
            process = await run(served.port, *python("pass"))
            assert process.stderr
            said = [(await process.stderr.readline()).decode().strip() for _line in range(2)]
            unreachable = f"moreh-run: The server 127.0.0.1:{served.port} cannot be reached. Trying again for a minute."
            assert said == ["moreh-run: requesting…", unreachable]
            await asyncio.sleep(1)
            await served.open(served.port)
            served.say(RUNNING)
            code, _output, errors = await end_of(process)
            assert (code, errors) == (0, ["moreh-run: ready: node01 [0,1], node02 [7]", "moreh-run: completed"])

    asyncio.run(tell())


def write(folder: Path, content: bytes) -> Path:
    file = folder / "token"
    file.write_bytes(content)
    return file


UNSENDABLE = {
    "two lines": b"one\ntwo\n",
    "UTF-16": "token".encode("utf-16"),
    "binary": bytes(range(256)),
    "letters beyond ASCII": "топор".encode(),
}


@pytest.mark.parametrize("case", UNSENDABLE)
def test_a_token_that_cannot_be_sent_is_one_line(tmp_path: Path, case: str) -> None:
    async def tell() -> None:
        file = write(tmp_path, UNSENDABLE[case])
        process = await run(1, "true", token=None, options=("--token-file", str(file)))
        code, _output, errors = await end_of(process)
        said = f"{file} holds no secret that can be sent: one line of visible ASCII is expected."
        assert (code, errors) == (1, [said])

    asyncio.run(tell())


def test_a_byte_order_mark_before_the_token_is_skipped(tmp_path: Path) -> None:
    async def tell() -> None:
        file = write(tmp_path, b"\xef\xbb\xbf" + TOKEN.encode() + b"\r\n")
        async with manager() as (served, _):
            process = await run(served.port, "true", token=None, options=("--token-file", str(file)))
            await served.hears("open")
            process.kill()
            await end_of(process)

    asyncio.run(tell())


TOO_BIG = {
    "a time limit over ten years": ("--time-limit", "315360001"),
    "an id over 64 bits": ("--sda", str(2**70)),
    "an id below zero": ("--sda", "-1"),
}


@pytest.mark.parametrize("case", TOO_BIG)
def test_a_number_that_cannot_be_is_named(case: str) -> None:
    async def tell() -> None:
        option, value = TOO_BIG[case]
        process = await run(1, "true", options=(option, value, "--dry-run"))
        code, _output, errors = await end_of(process)
        assert (code, option in "".join(errors), "Traceback" in "".join(errors)) == (2, True, False)

    asyncio.run(tell())


def test_without_a_token_it_says_so(tmp_path: Path) -> None:
    none = tmp_path / "none"
    not_there = f"{none} cannot be read: No such file or directory."

    async def tell() -> None:
        for options, said in (((), "SDA token is not given."), (("--token-file", str(none)), not_there)):
            process = await run(1, "true", token=None, options=options)
            assert await end_of(process) == (1, "", [said])

    asyncio.run(tell())


def test_a_refusal_names_its_code() -> None:
    async def tell() -> None:
        async with manager() as (served, _):
            process = await run(served.port, "true", token="wrong", options=("--json",))
            code, _output, errors = await end_of(process)
            assert code == 125
            assert errors == ['{"progress": "requesting…"}', '{"progress": "Log in first. (UNAUTHENTICATED)"}']

    asyncio.run(tell())
