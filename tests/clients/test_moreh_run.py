"""moreh-run as a process of its own: exit codes, signals, environment, progress."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from protocol.v1 import jobs_pb2 as pb
from tests.clients.job_peer import RUNNING, SUBMITTED, WAITING, manager
from tests.clients.run_process import end_of, line_of, python, run, running

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


def is_there(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_child_of_the_command_outlives_a_moreh_run_that_is_stopped_or_killed(number: signal.Signals) -> None:
    async def tell() -> None:
        async with running("sh", "-c", "setsid sleep 60 & echo $!; wait") as (_served, process):
            child = int(await line_of(process))
            process.send_signal(number)
            await process.wait()
            async with asyncio.timeout(20):
                while is_there(child):
                    await asyncio.sleep(0.05)

    asyncio.run(tell())


def test_a_child_that_the_command_left_behind_on_purpose_lives_on() -> None:
    async def tell() -> None:
        async with running("sh", "-c", "setsid sleep 60 > /dev/null 2>&1 & echo $!") as (_served, process):
            child = int(await line_of(process))
            assert (await end_of(process))[0] == 0
            assert is_there(child)
            os.kill(child, signal.SIGKILL)

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
