"""Real servers on loopback ports in this process, and sync clients with real channels."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from queue import Empty, Queue
from typing import Any, Generic, TypeVar

import grpc

from moreh_cloud.rpc.server import SdaManager

T = TypeVar("T")
M = TypeVar("M")
TIMEOUT = 10.0  # seconds
END = object()


class Server:
    """An SDAManager with an event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.manager = self.run(self._make())
        self.address = f"127.0.0.1:{self.manager.port}"
        self.stopped = False

    async def _make(self) -> SdaManager:
        manager = SdaManager("127.0.0.1:0")
        await manager.start()
        return manager

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(TIMEOUT)

    def stop(self) -> None:
        if self.stopped:
            return
        self.stopped = True
        self.run(self.manager.stop(grace=1))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(TIMEOUT)
        self.loop.close()


@contextmanager
def server() -> Iterator[Server]:
    running = Server()
    try:
        yield running
    finally:
        running.stop()


def bearer(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


class StreamClient(Generic[M]):
    """The client of one bidirectional stream: sends messages, and receives them within a time limit."""

    def __init__(self, method: Any, secret: str) -> None:
        self._out: Queue[Any] = Queue()
        self._in: Queue[Any] = Queue()
        self.call = method(iter(self._out.get, END), metadata=bearer(secret))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            for message in self.call:
                if self.arrived(message):
                    self._in.put(message)
            self._in.put(END)
        except grpc.RpcError as error:
            self._in.put(error)

    def arrived(self, _message: M) -> bool:
        """Whether a message is for `receive`."""
        return True

    def send(self, message: Any) -> None:
        self._out.put(message)

    def receive(self, within: float = TIMEOUT) -> M:
        """Return the next message. Raises the error of the stream, EOFError at its end, TimeoutError if none comes."""
        try:
            found = self._in.get(timeout=within)
        except Empty:
            raise TimeoutError from None
        if found is END:
            raise EOFError
        if isinstance(found, grpc.RpcError):
            raise found
        message: M = found
        return message

    def receives_nothing(self, within: float = 0.3) -> bool:
        try:
            self.receive(within)
        except TimeoutError:
            return True
        return False

    def receive_to_end(self) -> None:
        """Receive until the stream ends. Raises its error, or EOFError if it ended without one."""
        while True:
            self.receive()

    def drop(self) -> None:
        """Cancel the stream without a message."""
        self.call.cancel()
        self._out.put(END)
        self._reader.join(TIMEOUT)
