"""The driver processes of a worker. BMCs that do not answer have their own, so that they delay no others."""

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from backends.power.child import Answer, Deliver, DriverChild, Inbox, error_of, value_of
from backends.power.driver import (
    CLEAR_LOG,
    LOG,
    PRIVATE_NETWORKS,
    SENSORS,
    WEAK_AUTH,
    BmcAddress,
    Network,
    PowerCommand,
    PowerState,
    require_allowed,
)
from backends.power.drivers import DRIVERS
from backends.power.errors import BmcBusy, BmcSilent, BmcUnreachable, DriverLost, PowerError, Unsupported
from backends.power.login import BmcLogin
from backends.power.monitoring import LogMark, LogPortion, SensorReading, parse_portion, parse_sensors

K = TypeVar("K")
T = TypeVar("T")
TIMEOUT = 8.0  # seconds for one operation
READ_TIMEOUT = 20.0  # seconds for sensors or a portion of a log, which a driver limits itself
GRACE = 1.0  # seconds after the timeout of an operation; a driver that has not answered by then is killed
BATCH, BATCH_WAIT = 250, 0.1  # results of a sweep, seconds
CHECK_EVERY = 0.1  # seconds between checks of the deadlines
SILENT_CODES = (BmcSilent.code, BmcUnreachable.code)
REFUSALS = (BmcBusy.code, Unsupported.code)  # a BMC that answers so did not carry the command out


class DriverPool:
    """Some driver processes, started when first needed and replaced when they die. Thread-safe; close() ends them."""

    def __init__(self, *, healthy: int = 2, silent: int = 1, networks: Iterable[Network] = PRIVATE_NETWORKS) -> None:
        self._networks = tuple(networks)
        self._lanes: dict[bool, list[DriverChild | None]] = {False: [None] * healthy, True: [None] * silent}
        self._silent: set[BmcAddress] = set()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self.kills = 0
        threading.Thread(target=self._check_deadlines, name="driver-deadlines", daemon=True).start()

    def state(self, login: BmcLogin, *, timeout: float = TIMEOUT) -> PowerState:
        """Return the power state that a BMC reports; raises PowerError. `timeout` in seconds."""
        return PowerState(str(self._ask(PowerCommand.STATUS, login, timeout)))

    def reconnect(self, login: BmcLogin, *, timeout: float = TIMEOUT) -> None:
        """Log in anew; raises PowerError."""
        self._ask(PowerCommand.RECONNECT, login, timeout)

    def accepts_weak_auth(self, login: BmcLogin, *, timeout: float = TIMEOUT) -> bool:
        """Whether the BMC accepts commands without a password; raises PowerError."""
        return bool(self._ask(WEAK_AUTH, login, timeout))

    def sensors(self, login: BmcLogin, *, timeout: float = READ_TIMEOUT) -> list[SensorReading]:
        """Return the sensors of a BMC; raises PowerError."""
        return parse_sensors(self._ask(SENSORS, login, timeout))

    def log(self, login: BmcLogin, after: LogMark | None, *, timeout: float = READ_TIMEOUT) -> LogPortion:
        """Return the log entries of a BMC that follow `after`, or the first ones; raises PowerError."""
        return parse_portion(self._ask(LOG, login, timeout, after))

    def clear_log(self, login: BmcLogin, last: LogMark | None, *, timeout: float = READ_TIMEOUT) -> bool:
        """Clear the log if `last` is its last entry, else return False; raises PowerError."""
        return bool(self._ask(CLEAR_LOG, login, timeout, last))

    def control(
        self, login: BmcLogin, command: PowerCommand, on_sent: Callable[[], None], *, timeout: float = TIMEOUT
    ) -> bool:
        """Send ON, OFF, SOFT or RESET exactly once; return False when it was sent and no answer came.

        `on_sent` runs before the packet is sent; if it raises, the packet is not sent. Raises PowerError only when the
        packet was not sent or the BMC refused it.
        """
        inbox = Inbox()
        child, number = self._request(command, login, timeout, inbox.put)
        answer = inbox.next()
        if "ask" not in answer:
            self._sort(login, answer)
            return bool(value_of(answer))
        child.suspend_deadline(number)
        wait = DRIVERS[login.driver].answer_wait
        try:
            on_sent()
        except BaseException:
            child.allow_send(number, go=False, wait=wait)
            raise
        child.allow_send(number, go=True, wait=wait)
        answer = inbox.next()
        if "error" in answer and answer["error"] not in REFUSALS:
            return False
        return bool(value_of(answer))

    def sweep(
        self, logins: Iterable[tuple[K, BmcLogin]], deadline: float
    ) -> Iterator[list[tuple[K, PowerState | PowerError]]]:
        """Query many BMCs at once and yield their states or errors in batches as they come.

        The last one comes within `deadline` seconds. A batch has at most BATCH results and waits at most BATCH_WAIT
        seconds for more.
        """
        answers: queue.SimpleQueue[tuple[K, BmcLogin, Answer]] = queue.SimpleQueue()
        waiting = 0
        until = time.monotonic() + deadline + 10 * GRACE
        for key, login in logins:
            waiting += 1
            deliver = _forward(answers, key, login)
            try:
                self._request(PowerCommand.STATUS, login, deadline, deliver)
            except PowerError as error:
                deliver(0, {"error": error.code, "message": str(error)})
        while waiting:
            batch = _batch(answers, min(waiting, BATCH), until)
            waiting -= len(batch)
            yield [(key, self._result(login, answer)) for key, login, answer in batch]

    def _result(self, login: BmcLogin, answer: Answer) -> PowerState | PowerError:
        self._sort(login, answer)
        return error_of(answer) if "error" in answer else PowerState(answer["value"])

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

    def _ask(self, what: str, login: BmcLogin, timeout: float, mark: LogMark | None = None) -> Any:
        inbox = Inbox()
        self._request(what, login, timeout, inbox.put, mark)
        answer = inbox.next()
        self._sort(login, answer)
        return value_of(answer)

    def _request(
        self, what: str, login: BmcLogin, timeout: float, deliver: Deliver, mark: LogMark | None = None
    ) -> tuple[DriverChild, int]:
        require_allowed(login.address, self._networks)
        child, number = self._child_for(login.address), next(self._numbers)
        child.request(number, what, login, timeout=timeout, grace=GRACE, deliver=deliver, mark=mark)
        return child, number

    def _child_for(self, address: BmcAddress) -> DriverChild:
        """Return the process of a BMC: always the same one while it lives, which may have a session open."""
        with self._lock:
            if self._closed.is_set():
                raise DriverLost("the driver pool is closed")
            lane = self._lanes[address in self._silent]
            place = hash(address) % len(lane)
            child = lane[place]
            if child is None or not child.alive:
                child = lane[place] = DriverChild()
            return child

    def _sort(self, login: BmcLogin, answer: Answer) -> None:
        """Remember from an answer whether a BMC belongs to the silent ones."""
        with self._lock:
            if answer.get("error") in SILENT_CODES:
                self._silent.add(login.address)
            else:
                self._silent.discard(login.address)

    def _check_deadlines(self) -> None:
        while not self._closed.wait(CHECK_EVERY):
            with self._lock:
                children = [child for lane in self._lanes.values() for child in lane if child and child.alive]
            self.kills += sum(child.kill_if_overdue() for child in children)


def _batch(answers: "queue.SimpleQueue[T]", most: int, until: float) -> list[T]:
    """Return the next answer with those that come soon after it. Raises queue.Empty if none comes by `until`."""
    batch = [answers.get(timeout=max(0.0, until - time.monotonic()))]
    closes = time.monotonic() + BATCH_WAIT
    while len(batch) < most:
        try:
            batch.append(answers.get(timeout=max(0.0, closes - time.monotonic())))
        except queue.Empty:
            break
    return batch


def _forward(answers: "queue.SimpleQueue[tuple[K, BmcLogin, Answer]]", key: K, login: BmcLogin) -> Deliver:
    return lambda _, answer: answers.put((key, login, answer))


@dataclass(frozen=True, slots=True)
class PooledBmc:
    """One BMC that is reached through a pool: the connection of a power operation."""

    pool: DriverPool
    login: BmcLogin
    timeout: float = TIMEOUT

    def read_power(self) -> PowerState:
        """Return the power state that the BMC reports."""
        return self.pool.state(self.login, timeout=self.timeout)

    def send(self, command: PowerCommand, on_sent: Callable[[], None]) -> bool:
        """Send a control exactly once, after `on_sent`; return False when no answer came."""
        return self.pool.control(self.login, command, on_sent, timeout=self.timeout)

    def reconnect(self) -> None:
        """Log in anew."""
        self.pool.reconnect(self.login, timeout=self.timeout)
