"""moreh-agent as a process of its own."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.clients.agent_peer import KEY, Manager, manager

pytestmark = pytest.mark.slow

Process = asyncio.subprocess.Process


async def agent(served: Manager, folder: Path, *options: str) -> Process:
    server = f"127.0.0.1:{served.port}"
    line = (sys.executable, "-m", "clients.agent.main", "--server", server, "--state-dir", str(folder), *options)
    env = {"PATH": "/nowhere", "HOME": os.environ.get("HOME", "/")}
    root = Path(__file__).parents[2]
    return await asyncio.create_subprocess_exec(*line, env=env, cwd=root, stderr=asyncio.subprocess.PIPE)


async def end_of(process: Process) -> tuple[int | None, str]:
    async with asyncio.timeout(20):
        _, errors = await process.communicate()
    return process.returncode, errors.decode()


def key_file(folder: Path, text: str) -> str:
    file = folder / "given.key"
    file.write_text(text + "\n")
    return str(file)


def test_it_enrols_once_keeps_its_key_and_counts_its_starts(tmp_path: Path) -> None:
    async def tell() -> None:
        async with manager() as served:
            state = tmp_path / "state"
            options = ("--fake-devices", "2", "--fake-model", "A100", "--fake-memory", "81920", "--name", "node07")
            first = await agent(served, state, *options, "--enrolment-key-file", key_file(tmp_path, "once"))
            hello = await served.hello()
            asked = served.enrolled[0]
            assert (asked.name, list(asked.addresses)) == ("node07", ["127.0.0.1"])
            assert [(device.index, device.model, device.memory_mib) for device in asked.devices] == [
                (0, "A100", 81920),
                (1, "A100", 81920),
            ]
            assert hello.instance_id == asked.instance_id
            assert (state / "node.key").read_text() == f"{KEY}\n"
            assert (state / "node.key").stat().st_mode & 0o777 == 0o600
            boot = served.heard[0].boot
            first.send_signal(signal.SIGTERM)
            assert (await end_of(first))[0] == 0
            second = await agent(served, state, *options)
            assert (await served.hello(2)).instance_id == hello.instance_id
            assert [message.boot for message in served.heard if message.HasField("hello")] == [boot, boot + 1]
            assert len(served.enrolled) == 1
            second.kill()
            await second.wait()

    asyncio.run(tell())


TROUBLE = {
    "without devices": ((), "No amd-smi, rocm-smi or nvidia-smi here; use --fake-devices to simulate devices."),
    "without a key": (("--fake-devices", "1"), "There is no node key in"),
    "with a worker command that nobody can split": (
        ("--fake-devices", "1", "--key-file", KEY, "--worker-command", "run 'it"),
        "--worker-command cannot be read: No closing quotation.",
    ),
    **{
        f"with the address {address!r}": (
            ("--fake-devices", "1", "--address", "127.0.0.1", "--address", address),
            f"--address is {address!r}: an IP address or a name of this host is expected.",
        )
        for address in ("bad name", "-", "", "[::1]", "10.1", "1.2.3.4.5", "a..b", "nosuch.invalid")
    },
    "with an enrolment key that is not there": (
        ("--fake-devices", "1", "--enrolment-key-file", "/no/key"),
        "There is no enrolment key in /no/key.",
    ),
    "with a key of two lines": (
        ("--fake-devices", "1", "--key-file", "two\nlines"),
        "holds no secret that can be sent: one line of visible ASCII is expected.",
    ),
}


@pytest.mark.parametrize("case", TROUBLE)
def test_it_says_what_it_lacks(tmp_path: Path, case: str) -> None:
    options, expected = TROUBLE[case]
    if "--key-file" in options:
        place = options.index("--key-file") + 1
        options = (*options[:place], key_file(tmp_path, options[place]), *options[place + 1 :])

    async def tell() -> None:
        async with manager() as served:
            code, errors = await end_of(await agent(served, tmp_path / "state", *options))
            assert code == 1
            assert expected in errors
            assert errors.count("\n") == 1

    asyncio.run(tell())


def test_a_used_enrolment_key_is_refused(tmp_path: Path) -> None:
    async def tell() -> None:
        async with manager() as served:
            file = key_file(tmp_path, "twice")
            process = await agent(served, tmp_path / "state", "--fake-devices", "1", "--enrolment-key-file", file)
            assert await end_of(process) == (1, "This enrolment key was used before.\n")

    asyncio.run(tell())


def test_two_agents_cannot_share_a_folder(tmp_path: Path) -> None:
    async def tell() -> None:
        async with manager() as served:
            options = ("--fake-devices", "1", "--key-file", key_file(tmp_path, KEY))
            first = await agent(served, tmp_path / "state", *options)
            await served.hello()
            code, errors = await end_of(await agent(served, tmp_path / "state", *options))
            assert (code, errors) == (1, f"Another agent works with {tmp_path / 'state'}.\n")
            first.terminate()
            await first.wait()

    asyncio.run(tell())
