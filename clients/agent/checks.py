"""Health checks of devices that orders ask for: of idle ones, and of a worker's before it starts."""

import asyncio
from collections.abc import Callable, Set

from clients.agent.errors import PreflightFailed
from clients.agent.health import HealthCheck
from protocol.v1 import agents_pb2 as pb


class Checks:
    """Runs checks; one before a start can be ended. `busy` returns the devices that have a worker."""

    def __init__(self, health: HealthCheck, busy: Callable[[], Set[int]]) -> None:
        self._health = health
        self._busy = busy
        self._preflights: dict[int, asyncio.Task[tuple[str, list[int]]]] = {}

    async def check(self, check: pb.CheckHealth, result: pb.Result) -> None:
        """Check the node, or each of some devices by itself; those that fail are in the result, with what was wrong."""
        if not check.device_indexes:
            result.health.CopyFrom(await self._health.run(check.health_check_command))
            return
        wrong = []
        for index in check.device_indexes:
            if index in self._busy():
                result.busy_devices.append(index)
                continue
            failure, bad = await self._health.check(check.health_check_command, [index], self._busy())
            if bad:
                result.failed_devices.append(index)
                wrong.append(failure)
        result.error = "\n".join(dict.fromkeys(wrong))

    async def preflight(self, start: pb.StartWorker) -> None:
        """Check the devices of a worker before it starts. Raises PreflightFailed; returns early when it is ended."""
        check = self._health.check(start.preflight_command, list(start.device_indexes), self._busy())
        self._preflights[start.worker_id] = task = asyncio.create_task(check)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        finally:
            del self._preflights[start.worker_id]
        if task.cancelled():
            return
        wrong, bad = task.result()
        if bad:
            raise PreflightFailed(wrong, bad)

    def end_preflight(self, worker_id: int) -> None:
        """End the check before a start, if it is under way, with all that it started."""
        if task := self._preflights.get(worker_id):
            task.cancel()
