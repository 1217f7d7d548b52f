"""RMCP+ packets: sealed ones can be read, damaged ones are refused, and no bytes stop a simulated BMC."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.power.driver import BmcAddress, PowerCommand, PowerState
from backends.power.errors import BadPacket
from backends.power.ipmi import rmcp
from backends.power.ipmi.driver import IpmiDriver
from backends.power.ipmi.rmcp import SUITE_3, SUITE_17, Keys
from backends.power.login import BmcLogin
from backends.power.simulator import SimulatedBmc, start_bmc
from tests.backends.power.bmcs import PASSWORD, USER

KEYS = {suite.number: Keys.of(suite, PASSWORD, b"challenge") for suite in (SUITE_3, SUITE_17)}


@given(message=st.binary(min_size=1, max_size=80), suite=st.sampled_from([3, 17]))
def test_sealed_packets_can_be_read(message: bytes, suite: int) -> None:
    packet = rmcp.parse(rmcp.seal(KEYS[suite], 7, 9, message))
    assert (rmcp.unseal(KEYS[suite], packet), packet.session, packet.sequence) == (message, 7, 9)


@given(suite=st.sampled_from([3, 17]), place=st.integers(4, 79), bit=st.integers(0, 7))
def test_damaged_packets_cannot_be_read(suite: int, place: int, bit: int) -> None:
    packet = bytearray(rmcp.seal(KEYS[suite], 7, 9, b"power off, please"))
    packet[min(place, len(packet) - 1)] ^= 1 << bit
    with pytest.raises(BadPacket):
        rmcp.unseal(KEYS[suite], rmcp.parse(bytes(packet)))


@settings(max_examples=300)
@given(
    st.lists(st.binary(max_size=90) | st.binary(max_size=60).map(lambda tail: rmcp.RMCP + b"\x06" + tail), max_size=5)
)
def test_no_bytes_stop_a_bmc(packets: list[bytes]) -> None:
    bmc = SimulatedBmc(USER, PASSWORD)
    for packet in packets:
        bmc.datagram_received(packet, ("127.0.0.1", 1))
    assert bmc.chassis.executed == []


def test_power_changes_are_reported_after_their_delay() -> None:
    states: list[str] = []

    async def run() -> None:
        bmc = SimulatedBmc(USER, PASSWORD, delay=0.05, on_power=lambda _, state: states.append(str(state)))
        await start_bmc(bmc, BmcAddress("127.0.0.1", 0))
        driver, login = IpmiDriver(), BmcLogin(bmc.address, USER, PASSWORD)

        async def go() -> None:
            states.append("sent")

        for command in (PowerCommand.OFF, PowerCommand.ON, PowerCommand.RESET):
            before = bmc.chassis.state
            assert await driver.control(login, command, go)
            assert await driver.state(login) is before
            await asyncio.sleep(0.1)
        assert await driver.state(login) is PowerState.ON
        driver.close()
        bmc.close()

    asyncio.run(run())
    assert states == ["sent", "off", "sent", "on", "sent", "off", "on"]


def test_a_packet_repeated_by_the_network_is_not_carried_out_twice() -> None:
    async def run() -> SimulatedBmc:
        bmc = await start_bmc(SimulatedBmc(USER, PASSWORD), BmcAddress("127.0.0.1", 0))
        received = bmc.datagram_received

        def twice(data: bytes, addr: tuple[str, int]) -> None:
            received(data, addr)
            received(data, addr)

        driver, login = IpmiDriver(), BmcLogin(bmc.address, USER, PASSWORD)
        await driver.state(login)
        bmc.datagram_received = twice  # type: ignore[method-assign]

        async def go() -> None:
            return None

        assert await driver.control(login, PowerCommand.RESET, go)
        driver.close()
        bmc.close()
        return bmc

    assert asyncio.run(run()).chassis.count(PowerCommand.RESET) == 1
