import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

from moreh_cloud.supervisor.console import Console

ROOT = Path(__file__).resolve().parents[2]
LEASH = Path(__file__).with_name("leash.py")
REMEMBERED = 15  # lines shown again when a part dies
NOISE = "Memory overcommit must be enabled"  # for a broker's snapshots on disk; ours takes none


class Child:
    """One part as a process group of its own, on a leash; its log lines go to the console.

    A part that `answers` speaks to the supervisor on stdout and logs on stderr. What is `given` to a part is a secret
    that it reads from stdin: everybody may read arguments, and environments last as long as processes. Start it from
    the main thread: the kernel's leash is tied to the thread that started the process.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        env: dict[str, str],
        console: Console,
        *,
        answers: bool = False,
        given: str = "",
    ) -> None:
        self.name = name
        self.answers: list[str] = []
        self.last: deque[str] = deque(maxlen=REMEMBERED)
        self._console = console
        self._process = subprocess.Popen(  # noqa: S603 - the commands are our own
            [sys.executable, "-IS", str(LEASH), str(os.getpid()), *command],
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if answers else subprocess.STDOUT,
            cwd=ROOT,
            env=env,
            process_group=0,
            text=True,
            errors="replace",
        )
        if self._process.stdin is not None:
            with suppress(BrokenPipeError), self._process.stdin as stdin:
                stdin.write(given)
        log = self._process.stderr if answers else self._process.stdout
        self._readers = [self._follow(log, self._show)]
        if answers:
            self._readers.append(self._follow(self._process.stdout, self.answers.append))

    @property
    def exit_code(self) -> int | None:
        """Return the exit code, or None while it runs; -n when signal n killed it."""
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of its process group."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; tell whether it came."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(seconds, 0))
        return self.exit_code is not None

    def drain(self) -> None:
        """Show the last output; a grandchild that keeps the pipe open is not waited for."""
        until = time.monotonic() + 1
        for reader in self._readers:
            reader.join(max(until - time.monotonic(), 0))

    def _follow(self, stream: IO[str] | None, take: Callable[[str], object]) -> threading.Thread:
        lines: Iterable[str] = stream or ()
        reader = threading.Thread(target=lambda: [take(line.rstrip("\n")) for line in lines], daemon=True)
        reader.start()
        return reader

    def _show(self, line: str) -> None:
        if NOISE not in line:
            self.last.append(line)
            self._console.line(self.name, line)
