"""Ends what a killed moreh-run leaves behind: `python -m clients.guard MARK`, with a pipe to moreh-run as input.

moreh-run writes one byte before it ends by itself. At the end of the pipe without that byte it was killed, and every
process that carries its mark in the environment, children of the command included, is asked to end and then killed.
"""

import contextlib
import signal
import subprocess
import sys
import time
import uuid
from types import TracebackType

from clients import proc

END_WITHIN = 10.0  # seconds between SIGTERM and SIGKILL
LOOK_EVERY = 0.1  # seconds
VARIABLE = "MOREH_RUN"


def end_marked(mark: str, within: float = END_WITHIN) -> None:
    """Send SIGTERM to every process with the mark, and SIGKILL to those that are still there after `within` seconds."""
    for pid in proc.with_variable(VARIABLE, mark):
        proc.send(pid, signal.SIGTERM)
    deadline = time.monotonic() + within
    while proc.with_variable(VARIABLE, mark) and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
    for pid in proc.with_variable(VARIABLE, mark):
        proc.send(pid, signal.SIGKILL)


class Guard:
    """While entered, a process beside us that ends what carries our mark, should we be killed."""

    def __init__(self) -> None:
        self._mark = uuid.uuid4().hex

    @property
    def environment(self) -> dict[str, str]:
        """The mark, as the command and its children inherit it."""
        return {VARIABLE: self._mark}

    def __enter__(self) -> "Guard":
        command = (sys.executable, "-m", "clients.guard", self._mark)
        # A session of its own: the terminal's signals are for the command.
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(b"\n")

    def end_all(self) -> None:
        """End the command's children that are still there, at once or after END_WITHIN."""
        end_marked(self._mark)


def main() -> None:
    """Wait for the end of moreh-run."""
    if not sys.stdin.buffer.read(1):
        end_marked(sys.argv[1])


if __name__ == "__main__":
    main()
