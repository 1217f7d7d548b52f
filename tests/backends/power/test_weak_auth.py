"""Only cipher suites 3 and 17 are used: weaker ones are refused, and a BMC that accepts them is found."""

import asyncio
import struct
from collections.abc import Callable

import pytest

from backends.power.driver import BmcAddress, PowerState
from backends.power.errors import PowerError
from backends.power.ipmi.driver import IpmiDriver
from backends.power.ipmi.rmcp import SUITE_0, SUITE_3, SUITE_17, Suite
from backends.power.login import BmcLogin
from backends.power.pool import DriverPool
from backends.power.simulator import SimulatedBmc, start_bmc
from tests.backends.power.bmcs import PASSWORD, USER, Fleet

SUITES = {
    "only suite 17": ((SUITE_17,), "on"),
    "only suite 3": ((SUITE_3,), "on"),
    "both": ((SUITE_3, SUITE_17), "on"),
    "only suite 0": ((SUITE_0,), "WEAK_AUTH"),
    "only suite 1, integrity and encryption missing": ((Suite(1, (1, 0, 0), "sha1", 12),), "WEAK_AUTH"),
    "none": ((), "WEAK_AUTH"),
}


async def read_power(bmc: SimulatedBmc) -> str:
    driver = IpmiDriver()
    try:
        return await driver.state(BmcLogin(bmc.address, USER, PASSWORD))
    except PowerError as error:
        return error.code
    finally:
        driver.close()
        bmc.close()


async def read_power_with(suites: tuple[Suite, ...]) -> str:
    bmc = await start_bmc(SimulatedBmc(USER, PASSWORD), BmcAddress("127.0.0.1", 0))
    bmc.suites = suites
    return await read_power(bmc)


@pytest.mark.parametrize("case", SUITES)
def test_only_suites_3_and_17_are_spoken(case: str) -> None:
    suites, seen = SUITES[case]
    assert asyncio.run(read_power_with(suites)) == seen


class Downgrading(SimulatedBmc):
    """Accepts every proposal, and then answers with suite 0."""

    def _open(self, payload: bytes) -> bytes | None:
        answer = super()._open(payload)
        return answer and answer[:28] + SUITE_0_PROPOSAL


class BadAt17(SimulatedBmc):
    """Offers suite 17, but answers its login with half a packet, as some firmware does."""

    def _rakp1(self, payload: bytes) -> bytes | None:
        answer = super()._rakp1(payload)
        session = self._sessions[struct.unpack_from("<I", payload, 4)[0]]
        return answer[:40] if answer and session.suite is SUITE_17 else answer


SUITE_0_PROPOSAL = bytes.fromhex("000000080000000001000008000000000200000800000000")
ODD: dict[str, tuple[Callable[[bytes, bytes], SimulatedBmc], str]] = {
    "a BMC that talks us down to suite 0": (Downgrading, "WEAK_AUTH"),
    "a BMC that answers suite 17 wrongly is asked by suite 3": (BadAt17, "on"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_firmware(case: str) -> None:
    make, seen = ODD[case]

    async def run() -> str:
        return await read_power(await start_bmc(make(USER, PASSWORD), BmcAddress("127.0.0.1", 0)))

    assert asyncio.run(run()) == seen


def test_a_bmc_that_accepts_weak_authentication_is_flagged(fleet: Fleet, pool: DriverPool) -> None:
    strong, weak = fleet.one(), fleet.one().fails(weak_auth=True)
    assert pool.accepts_weak_auth(strong.login) is False
    assert pool.accepts_weak_auth(weak.login) is True
    assert pool.state(weak.login) is PowerState.ON  # by suite 17, with the right password
