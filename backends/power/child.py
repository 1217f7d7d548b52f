"""The parent's side of one driver process: starts it, talks to it, kills it when an operation passes its deadline."""

import json
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from backends.power.driver import ERRORS, BmcLogin, BmcSilent, DriverLost, PowerError

ROOT = Path(__file__).resolve().parents[2]
ANSWER_GRACE = 5.0  # seconds after "go": the driver's own wait for an answer, and a little more
CLOSE_WAIT = 2.0  # seconds for a process to log out and end

Answer = dict[str, Any]
Tell = Callable[[int, Answer], None]


class DriverChild:
    """One running driver process. Thread-safe; once it is dead it stays dead and every waiting order hears of it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "backends.power.driver_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={"LANG": "C.UTF-8"},  # the worker's environment holds keys a driver has no use for
            bufsize=0,
        )
        self._writing = threading.Lock()
        self._orders: dict[int, tuple[float, Tell]] = {}
        self._orders_lock = threading.Lock()
        self.alive = True
        self._reader = threading.Thread(target=self._read, name=f"driver-{self.pid}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def order(self, number: int, what: str, login: BmcLogin, *, timeout: float, grace: float, tell: Tell) -> None:
        """Give an order; `tell` hears each answer to it in the reader's thread, DriverLost included. Seconds."""
        with self._orders_lock:
            lost = not self.alive
            if not lost:
                self._orders[number] = (time.monotonic() + timeout + grace, tell)
        if lost:
            tell(number, _LOST)
            return
        self._write(
            {
                "id": number,
                "do": what,
                "host": login.address.host,
                "port": login.address.port,
                "user": b64encode(login.user).decode(),
                "password": b64encode(login.password).decode(),
                "timeout": timeout,
            }
        )

    def hold(self, number: int) -> None:
        """Stop an order's clock while the parent does its part."""
        self._move_deadline(number, float("inf"))

    def release(self, number: int, go: bool) -> None:
        """Allow or forbid a control's packet to leave."""
        self._move_deadline(number, time.monotonic() + ANSWER_GRACE)
        self._write({"id": number, "go": go})

    def kill_if_overdue(self) -> bool:
        """Kill the process when any order has passed its deadline; the late ones are told apart from the rest."""
        now = time.monotonic()
        with self._orders_lock:
            late = {number: order for number, order in self._orders.items() if order[0] < now}
            for number in late:
                del self._orders[number]
        if late:
            self._process.kill()
        for number, (_, tell) in late.items():
            tell(number, _OVERDUE)
        return bool(late)

    def close(self) -> None:
        """Let the process log out and end; kill it when it does not."""
        self._close_stdin()
        self._reader.join(timeout=CLOSE_WAIT)
        if self._reader.is_alive():
            self._process.kill()
            self._reader.join()

    def _move_deadline(self, number: int, deadline: float) -> None:
        with self._orders_lock:
            if number in self._orders:
                self._orders[number] = (deadline, self._orders[number][1])

    def _write(self, line: Answer) -> None:
        data = memoryview(json.dumps(line).encode() + b"\n")
        try:
            with self._writing:
                while data and self._process.stdin:
                    data = data[self._process.stdin.write(data) or 0 :]
        except (OSError, ValueError):
            self._process.kill()  # the reader then tells every order

    def _read(self) -> None:
        try:
            for line in self._process.stdout or ():
                self._pass_on(json.loads(line))
        finally:
            self._bury()

    def _pass_on(self, answer: Answer) -> None:
        number = answer.pop("id")
        with self._orders_lock:
            order = self._orders.get(number) if "ask" in answer else self._orders.pop(number, None)
        if order:
            order[1](number, answer)

    def _close_stdin(self) -> None:
        """Close it, but never under a writer, whose bytes would reach whatever file gets the number next."""
        if self._process.stdin and self._writing.acquire(timeout=CLOSE_WAIT):
            self._process.stdin.close()
            self._writing.release()

    def _bury(self) -> None:
        self._process.kill()
        self._process.wait()
        self._close_stdin()
        if self._process.stdout:
            self._process.stdout.close()
        with self._orders_lock:
            self.alive = False
            lost, self._orders = self._orders, {}
        for number, (_, tell) in lost.items():
            tell(number, _LOST)


_LOST: Answer = {"error": DriverLost.code, "message": "the driver process died"}
_OVERDUE: Answer = {"error": BmcSilent.code, "message": "no answer by the deadline; the driver process was killed"}


def value_of(answer: Answer) -> Any:
    """Return an answer's value; raises the PowerError it names."""
    if "error" in answer:
        raise error_of(answer)
    return answer["value"]


def error_of(answer: Answer) -> PowerError:
    return ERRORS.get(answer["error"], PowerError)(answer["message"])


class Inbox:
    """Where the thread that gave an order waits for its answers."""

    def __init__(self) -> None:
        self._answers: SimpleQueue[Answer] = SimpleQueue()

    def tell(self, _: int, answer: Answer) -> None:
        self._answers.put(answer)

    def next(self) -> Answer:
        return self._answers.get()
