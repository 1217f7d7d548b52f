"""moreh-run as a process of its own: exit codes, signals, environment, words."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from protocol.v1 import jobs_pb2 as pb
from tests.clients.job_peer import RUNNING, SUBMITTED, TOKEN, WAITING, Manager, manager

pytestmark = pytest.mark.slow

SHOW = "import os; print(os.environ['MOREH_JOB_ID'], os.environ['MOREH_WORKERS'], os.environ['MOREH_DEVICES'])"
SLEEP = "import sys, time; print('up', flush=True); time.sleep(60)"
TIDY = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b"usr1\\n"))
print("up", flush=True)
while True: time.sleep(0.05)
"""
Process = asyncio.subprocess.Process


async def run(port: int, *command: str, token: str | None = TOKEN, options: tuple[str, ...] = ()) -> Process:
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env |= {"MOREH_SERVER": f"127.0.0.1:{port}"} | ({"MOREH_TOKEN": token} if token else {})
    pipe = asyncio.subprocess.PIPE
    root = Path(__file__).parents[2]
    line = (sys.executable, "-m", "clients.run.main", *options, "--", *command)
    return await asyncio.create_subprocess_exec(*line, env=env, cwd=root, stdin=pipe, stdout=pipe, stderr=pipe)


async def end_of(process: Process) -> tuple[int, str, list[str]]:
    async with asyncio.timeout(20):
        output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode().splitlines()


async def line_of(process: Process) -> str:
    assert process.stdout
    async with asyncio.timeout(20):
        return (await process.stdout.readline()).decode().strip()


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[tuple[Manager, Process]]:
    """moreh-run with its devices, and the command about to start."""
    async with manager() as (served, _):
        process = await run(served.port, *command)
        try:
            await served.hears("open")
            served.say(RUNNING)
            yield served, process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def python(code: str) -> tuple[str, str, str]:
    return sys.executable, "-c", code


def test_progress_environment_and_success() -> None:
    async def tell() -> None:
        async with manager() as (served, _):
            process = await run(served.port, *python(SHOW))
            asked = (await served.hears("open")).open
            assert asked.process_name == Path(sys.executable).name
            served.say(SUBMITTED)
            served.say(RUNNING)
            code, output, errors = await end_of(process)
            assert code == 0
            assert output == "42 10.0.0.1:21545,10.0.0.2:21545 node01:0,1;node02:7\n"
            assert errors == [
                "moreh-run: requesting…",
                "moreh-run: waiting: place 3, needs 16 devices, 9 free, behind job 12, NOT_ENOUGH_FREE",
                "moreh-run: preparing: node01 [0,1]",
                "moreh-run: ready: node01 [0,1], node02 [7]",
                "moreh-run: completed",
            ]
            assert (await served.hears("finished")).finished.exit_code == 0

    asyncio.run(tell())


@pytest.mark.parametrize("code", [1, 42, 255])
def test_the_exit_code_is_passed_on(code: int) -> None:
    async def tell() -> None:
        async with running(*python(f"import sys; sys.exit({code})")) as (served, process):
            assert (await end_of(process))[0] == code
            assert (await served.hears("finished")).finished.exit_code == code

    asyncio.run(tell())


def test_a_signal_goes_to_the_program_which_may_take_it_its_own_way() -> None:
    async def tell() -> None:
        async with running(*python(TIDY)) as (served, process):
            assert await line_of(process) == "up"
            process.send_signal(signal.SIGUSR1)
            assert await line_of(process) == "usr1"
            process.send_signal(signal.SIGTERM)
            assert (await end_of(process))[0] == 9
            assert (await served.hears("finished")).finished.exit_code == 9

    asyncio.run(tell())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_ended_by_a_signal_cancels_the_job(number: signal.Signals) -> None:
    async def tell() -> None:
        async with running("sh", "-c", "echo up; exec sleep 60") as (served, process):
            assert await line_of(process) == "up"
            process.send_signal(number)
            assert (await end_of(process))[0] == 128 + number
            await served.hears("cancel")

    asyncio.run(tell())


def test_a_program_that_kills_itself_is_finished_not_canceled() -> None:
    async def tell() -> None:
        async with running("sh", "-c", "kill -9 $$") as (served, process):
            assert (await end_of(process))[0] == 137
            assert (await served.hears("finished")).finished.exit_code == 137

    asyncio.run(tell())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_waiting_leaves_the_queue(number: signal.Signals) -> None:
    async def tell() -> None:
        async with manager() as (served, _):
            process = await run(served.port, "true")
            await served.hears("heartbeat")
            process.send_signal(number)
            code, _output, errors = await end_of(process)
            assert code == 128 + number
            assert errors[-1] == "moreh-run: canceled: BY_USER"
            await served.hears("cancel")

    asyncio.run(tell())


def test_a_job_ended_by_the_server_ends_the_program() -> None:
    async def tell() -> None:
        async with running(*python(SLEEP)) as (served, process):
            assert await line_of(process) == "up"
            served.say(pb.Ended(status="FAILED", reason="NODE_LOST", detail="node02"))
            code, _output, errors = await end_of(process)
            assert (code, errors[-1]) == (125, "moreh-run: failed: NODE_LOST, node02")

    asyncio.run(tell())


def test_a_preempted_program_runs_again() -> None:
    async def tell() -> None:
        async with running(*python(TIDY)) as (served, process):
            assert await line_of(process) == "up"
            served.say(WAITING, attempt=2)
            await asyncio.sleep(0.2)
            served.say(RUNNING, attempt=2)
            assert await line_of(process) == "up"
            process.send_signal(signal.SIGTERM)
            assert (await end_of(process))[0] == 9

    asyncio.run(tell())


def test_an_outage_does_not_disturb_the_program() -> None:
    async def tell() -> None:
        async with running(*python(TIDY)) as (served, process):
            assert await line_of(process) == "up"
            await served.close()
            await asyncio.sleep(0.5)
            await served.open(served.port)
            await served.hears("resume")
            process.send_signal(signal.SIGTERM)
            assert (await end_of(process))[0] == 9

    asyncio.run(tell())


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


def test_without_a_token_it_says_so(tmp_path: Path) -> None:
    async def tell() -> None:
        for options in ((), ("--token-file", str(tmp_path / "none"))):
            process = await run(1, "true", token=None, options=options)
            assert await end_of(process) == (1, "", ["SDA token is not given."])

    asyncio.run(tell())


def test_a_refusal_names_its_code() -> None:
    async def tell() -> None:
        async with manager() as (served, _):
            process = await run(served.port, "true", token="wrong", options=("--json",))
            code, _output, errors = await end_of(process)
            assert code == 125
            assert errors == ['{"progress": "requesting…"}', '{"progress": "Log in first. (UNAUTHENTICATED)"}']

    asyncio.run(tell())
