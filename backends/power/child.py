"""The parent's side of a driver process: start it, send it requests, kill it when a request passes its deadline."""

import io
import json
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from backends.power.errors import ERRORS, BmcSilent, DriverLost, PowerError
from backends.power.login import BmcLogin
from backends.power.monitoring import LogMark

ROOT = Path(__file__).resolve().parents[2]
CLOSE_WAIT = 2.0  # seconds for a process to log out and exit

Answer = dict[str, Any]
Deliver = Callable[[int, Answer], None]
"""Called with the number of a request and an answer to it."""


class DriverChild:
    """One running driver process. Thread-safe; when it dies, every open request gets DriverLost as its answer."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "backends.power.driver_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={"LANG": "C.UTF-8"},  # the worker's environment holds keys a driver has no use for
            bufsize=0,
        )
        self._lines = io.BufferedReader(self._process.stdout) if self._process.stdout else None  # type: ignore[type-var]
        self._writing = threading.Lock()
        self._requests: dict[int, tuple[float, Deliver]] = {}
        self._requests_lock = threading.Lock()
        self.alive = True
        self._reader = threading.Thread(target=self._read, name=f"driver-{self.pid}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def request(
        self,
        number: int,
        what: str,
        login: BmcLogin,
        *,
        timeout: float,
        grace: float,
        deliver: Deliver,
        mark: LogMark | None = None,
    ) -> None:
        """Send a request; its answers, DriverLost included, go to `deliver`, mostly in the reader's thread.

        The process is killed `grace` seconds after `timeout` (seconds), which it is sent to end the request itself.
        """
        with self._requests_lock:
            lost = not self.alive
            if not lost:
                self._requests[number] = (time.monotonic() + timeout + grace, deliver)
        if lost:
            deliver(number, _LOST)
            return
        self._write(
            {
                "id": number,
                "do": what,
                "driver": login.driver,
                "host": login.address.host,
                "port": login.address.port,
                "user": b64encode(login.user).decode(),
                "password": b64encode(login.password).decode(),
                "certificate": login.certificate,
                "timeout": timeout,
                "mark": mark and asdict(mark),
            }
        )

    def suspend_deadline(self, number: int) -> None:
        """Set no deadline while the parent records that a packet is about to be sent."""
        self._set_deadline(number, float("inf"))

    def allow_send(self, number: int, go: bool, wait: float) -> None:
        """Allow or forbid the driver to send the packet of a control; `wait` in seconds for what became of it."""
        self._set_deadline(number, time.monotonic() + wait)
        self._write({"id": number, "go": go})

    def kill_if_overdue(self) -> bool:
        """Kill the process if a request has passed its deadline, and return whether it was killed.

        The answer to late requests is BmcSilent, to the others DriverLost.
        """
        now = time.monotonic()
        with self._requests_lock:
            late = {number: request for number, request in self._requests.items() if request[0] < now}
            for number in late:
                del self._requests[number]
        if late:
            self._process.kill()
        for number, (_, deliver) in late.items():
            deliver(number, _OVERDUE)
        return bool(late)

    def close(self) -> None:
        """Close stdin, so that the process logs out and exits; kill it if it does not."""
        self._close_stdin()
        self._reader.join(timeout=CLOSE_WAIT)
        if self._reader.is_alive():
            self._process.kill()
            self._reader.join()

    def _set_deadline(self, number: int, deadline: float) -> None:
        with self._requests_lock:
            if number in self._requests:
                self._requests[number] = (deadline, self._requests[number][1])

    def _write(self, line: Answer) -> None:
        data = memoryview(json.dumps(line).encode() + b"\n")
        try:
            with self._writing:
                while data and self._process.stdin:
                    data = data[self._process.stdin.write(data) or 0 :]
        except (OSError, ValueError):
            self._process.kill()  # the reader then ends every request

    def _read(self) -> None:
        try:
            for line in self._lines or ():
                self._deliver(json.loads(line))
        finally:
            self._clean_up()

    def _deliver(self, answer: Answer) -> None:
        number = answer.pop("id")
        with self._requests_lock:
            request = self._requests.get(number) if "ask" in answer else self._requests.pop(number, None)
        if request:
            _deadline, deliver = request
            deliver(number, answer)

    def _close_stdin(self) -> None:
        """Close stdin, but not while a thread writes to it: its bytes could go to another file of the same number."""
        if self._process.stdin and self._writing.acquire(timeout=CLOSE_WAIT):
            self._process.stdin.close()
            self._writing.release()

    def _clean_up(self) -> None:
        self._process.kill()
        self._process.wait()
        self._close_stdin()
        if self._lines:
            self._lines.close()
        with self._requests_lock:
            self.alive = False
            lost, self._requests = self._requests, {}
        for number, (_, deliver) in lost.items():
            deliver(number, _LOST)


_LOST: Answer = {"error": DriverLost.code, "message": "the driver process died"}
_OVERDUE: Answer = {"error": BmcSilent.code, "message": "no answer by the deadline; the driver process was killed"}


def value_of(answer: Answer) -> Any:
    """Return the value of an answer; raises the PowerError that it names."""
    if "error" in answer:
        raise error_of(answer)
    return answer["value"]


def error_of(answer: Answer) -> PowerError:
    """Return the error that an answer names."""
    return ERRORS.get(answer["error"], PowerError)(answer["message"])


class Inbox:
    """Where the thread that sent a request waits for its answers."""

    def __init__(self) -> None:
        self._answers: SimpleQueue[Answer] = SimpleQueue()

    def put(self, _: int, answer: Answer) -> None:
        """Add an answer; called by any thread."""
        self._answers.put(answer)

    def next(self) -> Answer:
        """Wait for the next answer and return it."""
        return self._answers.get()
