"""Interoperability: our driver with sushy-tools' emulator, and the client sushy with our simulator."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import sushy  # type: ignore[import-untyped]

from backends.power.driver import BmcAddress, PowerCommand, PowerState
from backends.power.errors import PowerError
from backends.power.login import BmcLogin
from backends.power.monitoring import SensorReading, SensorState, SensorUnit, Thresholds
from backends.power.operation import PowerOperation
from backends.power.pool import DriverPool, PooledBmc
from backends.power.redfish_simulator import ServerCertificate
from tests.backends.power.bmcs import PASSWORD, USER, Bmc, Fleet

FOREIGN = (b"admin", b"their password")
# Its simulated machine takes 1 to 11 random seconds to change its power; without them it is the same.
EMULATOR = "import random; random.randint = lambda *_: 0; from sushy_tools.emulator.main import main; main()"
PAUSES = (0.3, 0.5, 1.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BmcLogin]:
    """Return the login of sushy-tools' emulator with its fake machine, over HTTPS and with a password."""
    folder = tmp_path_factory.mktemp("emulator")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    certificate, pem = ServerCertificate.new(), folder / "server.pem"
    pem.write_bytes(certificate.pem)
    users = folder / "users"
    users.write_text(f"admin:{bcrypt.hashpw(FOREIGN[1], bcrypt.gensalt(4)).decode()}\n")
    config = folder / "emulator.conf"
    config.write_text(f"SUSHY_EMULATOR_AUTH_FILE = {str(users)!r}\nSUSHY_EMULATOR_STATE_DIR = {str(folder)!r}\n")
    where = ["--interface", "127.0.0.1", "--port", str(port), "--ssl-certificate", str(pem), "--ssl-key", str(pem)]
    with (folder / "log").open("w") as log:
        words = [sys.executable, "-c", EMULATOR, "--fake", "--config", str(config), *where]
        emulator = subprocess.Popen(words, stdout=log, stderr=log, cwd=folder)
        try:
            _wait_for(port, folder / "log")
            yield BmcLogin(BmcAddress("127.0.0.1", port), *FOREIGN, "redfish", certificate.fingerprint)
        finally:
            emulator.terminate()
            emulator.wait(timeout=5)


def _wait_for(port: int, log: Path) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)


def test_our_driver_switches_their_machine(foreign: BmcLogin, pool: DriverPool) -> None:
    bmc = PooledBmc(pool, foreign)

    def carry_out(word: str) -> str:
        operation = PowerOperation(
            bmc, lambda _: None, time.monotonic, time.sleep, pauses=PAUSES, soft_pauses=PAUSES, command_gap=0
        )
        return str(operation.carry_out(PowerCommand(word)).state)

    words = ("status", "on", "cycle", "reset", "soft", "on", "off", "status")
    assert [carry_out(word) for word in words] == ["off", "on", "on", "on", "off", "on", "off", "off"]


def test_their_emulator_refuses_a_wrong_password(foreign: BmcLogin, pool: DriverPool) -> None:
    with pytest.raises(PowerError) as caught:
        pool.state(replace(foreign, password=b"battery staple"))
    assert caught.value.code == "WRONG_LOGIN"
    assert pool.accepts_weak_auth(foreign) is False
    assert pool.state(foreign) is PowerState.OFF


def test_our_driver_reads_their_sensors(foreign: BmcLogin, pool: DriverPool) -> None:
    found = {reading.name: reading for reading in pool.sensors(foreign)}
    assert found["CPU Temp"] == SensorReading(
        "CPU Temp", SensorUnit.CELSIUS, 41.0, SensorState.OK, Thresholds(None, None, 42.0, 45.0)
    )
    assert found["Chassis Intake Temp"].thresholds == Thresholds(5.0, 10.0, 30.0, 40.0)
    assert {reading.unit for reading in found.values()} == {SensorUnit.CELSIUS, SensorUnit.RPM}
    with pytest.raises(PowerError) as caught:
        pool.log(foreign, None)
    assert caught.value.code == "UNSUPPORTED"  # it has no log


def _sushy(bmc: Bmc, folder: Path, **auth: Any) -> Any:
    ca = folder / "ca.pem"
    ca.write_text(bmc.fleet.ca)
    session = sushy.auth.SessionAuth(**{"username": USER.decode(), "password": PASSWORD.decode(), **auth})
    return sushy.Sushy(f"https://{bmc.address}", auth=session, verify=str(ca))


def test_sushy_switches_our_machine(redfish: Fleet, tmp_path: Path) -> None:
    bmc = redfish.one()
    service = _sushy(bmc, tmp_path)
    system = service.get_system(service.get_system_collection().members_identities[0])
    seen = [system.power_state]
    for kind in (sushy.ResetType.FORCE_OFF, sushy.ResetType.ON, sushy.ResetType.FORCE_RESTART):
        system.reset_system(kind)
        system.refresh()
        seen.append(system.power_state)
    on, off = sushy.PowerState.ON, sushy.PowerState.OFF
    assert (seen, bmc.executed()) == ([on, off, on, on], {"off": 1, "on": 1, "reset": 1})
    assert (bmc.logins(), bmc.sessions()) == (1, 1)
    service._auth.close()
    assert bmc.sessions() == 0


def test_our_bmc_refuses_sushys_wrong_password(redfish: Fleet, tmp_path: Path) -> None:
    bmc = redfish.one()
    with pytest.raises(sushy.exceptions.AccessError):
        _sushy(bmc, tmp_path, password="battery staple")
    assert bmc.logins() == 0
