"""Faults that befall devices of the simulated fleet at random."""

import asyncio
import logging
import random
from collections.abc import Mapping

from fleet.faults.book import FaultBook
from fleet.faults.table import FAULTS

HOUR = 3600.0  # seconds
BY_CHANCE = [name for name, fault in FAULTS.items() if fault.by_chance]

logger = logging.getLogger("fleet")


async def cause_faults(nodes: Mapping[str, FaultBook], devices: int, per_hour: float) -> None:
    """Let devices of these nodes have faults at random, so many an hour in all, until cancelled.

    Every kind comes once before any comes again. A device that has a fault gets no second one.
    """
    chance = random.Random()  # noqa: S311 - a simulation
    left: list[str] = []
    while per_hour:
        await asyncio.sleep(chance.expovariate(per_hour / HOUR))
        left = left or chance.sample(BY_CHANCE, len(BY_CHANCE))
        name, device = chance.choice(list(nodes)), chance.randrange(devices)
        if any(one.device == device for one in nodes[name].read().faults):
            continue
        fault = left.pop()
        nodes[name].add(device, fault)
        logger.info("%s: device %d has the fault %s", name, device, fault)
