"""What the README tells to start in production is what `make up` starts."""

import re
from pathlib import Path

import pytest
from celery.bin.beat import beat
from celery.bin.worker import worker
from django.conf import settings

from moreh_cloud.supervisor import parts

README = (Path(settings.BASE_DIR) / "README.md").read_text()
COMMANDS = {
    name: command.split()
    for name, command in re.findall(r"(?m)^\| ([\w ]+) \| `\.venv/bin/(?:celery|gunicorn|python) ([^`]+)`", README)
}
OURS = {
    "worker": parts.BACKGROUND["worker"],
    "power worker": parts.BACKGROUND["power"],
    "outbox worker": parts.BACKGROUND["outbox"],
    "beat": parts.BACKGROUND["beat"],
}
OWN = {"concurrency", "loglevel"}  # a matter of the machine's size and of the log's reader


def meaning(words: list[str]) -> dict[str, object]:
    """Return the options of a Celery command as Celery reads them."""
    command = worker if "worker" in words else beat
    after = words[words.index("worker" if "worker" in words else "beat") + 1 :]
    given = command.make_parser(command.make_context(command.name, [], resilient_parsing=True)).parse_args(after)[0]
    return {name: value for name, value in given.items() if name not in OWN}


@pytest.mark.parametrize("process", OURS)
def test_celery_is_started_alike(process: str) -> None:
    assert meaning(COMMANDS[process]) == meaning(OURS[process])


def test_the_web_and_grpc_are_started_alike() -> None:
    assert COMMANDS["web"] == ["-c", parts.WEB[-1]]
    assert COMMANDS["gRPC server"] == parts.BACKGROUND["grpc"][1:]
