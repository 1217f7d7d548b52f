"""Driver processes shared by a worker's threads: healthy and silent BMCs apart, every operation killable."""

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from backends.power.child import Answer, DriverChild, Inbox, error_of, value_of
from backends.power.driver import (
    PRIVATE_NETWORKS,
    WEAK_AUTH,
    BmcAddress,
    BmcBusy,
    BmcLogin,
    BmcSilent,
    BmcUnreachable,
    DriverLost,
    Network,
    PowerCommand,
    PowerError,
    PowerState,
    Unsupported,
    require_allowed,
)

K = TypeVar("K")
TIMEOUT = 8.0  # seconds for one operation
GRACE = 1.0  # seconds after its time-out in which a driver must say so itself, else it is killed
WATCH = 0.1  # seconds between looks at the deadlines
SILENT_CODES = (BmcSilent.code, BmcUnreachable.code)
REFUSALS = (BmcBusy.code, Unsupported.code)  # a BMC that answers so did not do it


class DriverPool:
    """A few driver processes, started when first needed and replaced when they die. Thread-safe; close() ends them."""

    def __init__(self, *, healthy: int = 2, silent: int = 1, networks: Iterable[Network] = PRIVATE_NETWORKS) -> None:
        self._networks = tuple(networks)
        self._lanes: dict[bool, list[DriverChild | None]] = {False: [None] * healthy, True: [None] * silent}
        self._silent: set[BmcAddress] = set()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self.kills = 0
        threading.Thread(target=self._watch, name="driver-deadlines", daemon=True).start()

    def state(self, login: BmcLogin, *, timeout: float = TIMEOUT) -> PowerState:
        """Ask for the power state; raises PowerError. Seconds."""
        return PowerState(str(self._ask(PowerCommand.STATUS, login, timeout)))

    def reconnect(self, login: BmcLogin, *, timeout: float = TIMEOUT) -> None:
        """Log in anew; raises PowerError."""
        self._ask(PowerCommand.RECONNECT, login, timeout)

    def accepts_weak_auth(self, login: BmcLogin, *, timeout: float = TIMEOUT) -> bool:
        """Say whether the BMC lets anyone in; raises PowerError."""
        return bool(self._ask(WEAK_AUTH, login, timeout))

    def control(
        self, login: BmcLogin, command: PowerCommand, on_sent: Callable[[], None], *, timeout: float = TIMEOUT
    ) -> bool:
        """Send ON, OFF, SOFT or RESET exactly once; False when it left and no answer came.

        `on_sent` runs before the packet leaves; if it raises, the packet never leaves. Raises PowerError only when the
        packet did not leave or the BMC refused it.
        """
        inbox = Inbox()
        child, number = self._order(command, login, timeout, inbox.tell)
        answer = inbox.next()
        if "ask" not in answer:
            self._judge(login, answer)
            return bool(value_of(answer))
        child.hold(number)
        try:
            on_sent()
        except BaseException:
            child.release(number, go=False)
            raise
        child.release(number, go=True)
        answer = inbox.next()
        if "error" in answer and answer["error"] not in REFUSALS:
            return False
        return bool(value_of(answer))

    def sweep(
        self, logins: Iterable[tuple[K, BmcLogin]], deadline: float
    ) -> Iterator[tuple[K, PowerState | PowerError]]:
        """Ask many BMCs at once and yield each one's state or error as it comes, all within `deadline` seconds."""
        answers: queue.SimpleQueue[tuple[K, BmcLogin, Answer]] = queue.SimpleQueue()
        waiting = 0
        until = time.monotonic() + deadline
        for key, login in logins:
            waiting += 1
            tell = _forward(answers, key, login)
            try:
                self._order(PowerCommand.STATUS, login, deadline, tell)
            except PowerError as error:
                tell(0, {"error": error.code, "message": str(error)})
        for _ in range(waiting):
            key, login, answer = answers.get(timeout=max(0.0, until - time.monotonic()) + 10 * GRACE)
            self._judge(login, answer)
            yield key, error_of(answer) if "error" in answer else PowerState(answer["value"])

    def pids(self) -> list[int]:
        """Return the ids of the running driver processes."""
        with self._lock:
            return [child.pid for lane in self._lanes.values() for child in lane if child and child.alive]

    def close(self) -> None:
        """End every driver process; safe to call twice."""
        self._closed.set()
        with self._lock:
            children = [child for lane in self._lanes.values() for child in lane if child]
            self._lanes = {silent: [None] * len(lane) for silent, lane in self._lanes.items()}
        for child in children:
            child.close()

    def _ask(self, what: str, login: BmcLogin, timeout: float) -> str | bool | None:
        inbox = Inbox()
        self._order(what, login, timeout, inbox.tell)
        answer = inbox.next()
        self._judge(login, answer)
        value: str | bool | None = value_of(answer)
        return value

    def _order(
        self, what: str, login: BmcLogin, timeout: float, tell: Callable[[int, Answer], None]
    ) -> tuple[DriverChild, int]:
        require_allowed(login.address, self._networks)
        child, number = self._child_for(login.address), next(self._numbers)
        child.order(number, what, login, timeout=timeout, grace=GRACE, tell=tell)
        return child, number

    def _child_for(self, address: BmcAddress) -> DriverChild:
        """Pick a BMC's process: always the same one, so that its open session is found again."""
        with self._lock:
            if self._closed.is_set():
                raise DriverLost("the driver pool is closed")
            lane = self._lanes[address in self._silent]
            place = hash(address) % len(lane)
            child = lane[place]
            if child is None or not child.alive:
                child = lane[place] = DriverChild()
            return child

    def _judge(self, login: BmcLogin, answer: Answer) -> None:
        """Remember which lane a BMC belongs to."""
        with self._lock:
            if answer.get("error") in SILENT_CODES:
                self._silent.add(login.address)
            else:
                self._silent.discard(login.address)

    def _watch(self) -> None:
        while not self._closed.wait(WATCH):
            with self._lock:
                children = [child for lane in self._lanes.values() for child in lane if child and child.alive]
            self.kills += sum(child.kill_if_overdue() for child in children)


def _forward(
    answers: "queue.SimpleQueue[tuple[K, BmcLogin, Answer]]", key: K, login: BmcLogin
) -> Callable[[int, Answer], None]:
    return lambda _, answer: answers.put((key, login, answer))


@dataclass(frozen=True, slots=True)
class PooledBmc:
    """One BMC reached through a pool: what patience drives."""

    pool: DriverPool
    login: BmcLogin
    timeout: float = TIMEOUT

    def look(self) -> PowerState:
        return self.pool.state(self.login, timeout=self.timeout)

    def send(self, command: PowerCommand, on_sent: Callable[[], None]) -> bool:
        return self.pool.control(self.login, command, on_sent, timeout=self.timeout)

    def reconnect(self) -> None:
        self.pool.reconnect(self.login, timeout=self.timeout)
