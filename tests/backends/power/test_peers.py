"""Interoperability: ipmitool and ipmipower with our simulator, and our driver with ipmi_sim."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.power.driver import BmcAddress, PowerCommand, PowerState
from backends.power.errors import WrongLogin
from backends.power.login import BmcLogin
from backends.power.monitoring import SensorReading, SensorState, SensorUnit, Thresholds
from backends.power.operation import PowerOperation
from backends.power.pool import DriverPool, PooledBmc
from backends.power.simulator.sensors import SENSORS
from tests.backends.power.bmcs import PASSWORD, USER, Bmc, Fleet, need
from tests.make import wait_for

FOREIGN = (b"admin", b"theirpassword")
SENSOR = SENSORS[0]


def ipmitool(bmc: Bmc, suite: int, *words: str, password: bytes = PASSWORD) -> subprocess.CompletedProcess[str]:
    tool = need("ipmitool", "ipmitool")
    where = ["-H", bmc.address.host, "-p", str(bmc.address.port), "-U", USER.decode(), "-E"]
    return subprocess.run(
        [tool, "-I", "lanplus", "-C", str(suite), "-N", "1", "-R", "2", *where, *words],
        env={"IPMITOOL_PASSWORD": password.decode()},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize("suite", [3, 17])
def test_ipmitool_drives_our_bmc(fleet: Fleet, suite: int) -> None:
    bmc = fleet.one()
    lines = [
        ipmitool(bmc, suite, "chassis", "power", word).stdout.strip()
        for word in ("status", "off", "status", "on", "status", "reset", "cycle")
    ]
    assert lines == [
        "Chassis Power is on",
        "Chassis Power Control: Down/Off",
        "Chassis Power is off",
        "Chassis Power Control: Up/On",
        "Chassis Power is on",
        "Chassis Power Control: Reset",
        "Chassis Power Control: Cycle",
    ]
    assert bmc.executed() == {"off": 1, "on": 1, "reset": 1, "cycle": 1}


def test_ipmitool_reads_identity_and_cipher_suites(fleet: Fleet) -> None:
    bmc = fleet.one()
    assert "IPMI Version              : 2.0" in ipmitool(bmc, 17, "mc", "info").stdout


@pytest.mark.parametrize("suite", [3, 17])
def test_our_bmc_refuses_ipmitools_wrong_password(fleet: Fleet, suite: int) -> None:
    bmc = fleet.one()
    refused = ipmitool(bmc, suite, "chassis", "power", "off", password=b"battery staple")
    assert (refused.returncode, bmc.executed()) == (1, {})
    assert "Unable to establish IPMI v2 / RMCP+ session" in refused.stderr


def test_only_a_weak_bmc_obeys_ipmitool_without_a_password(fleet: Fleet) -> None:
    strong, weak = fleet.one(), fleet.one().fails(weak_auth=True)
    for bmc in (strong, weak):
        ipmitool(bmc, 0, "chassis", "power", "off", password=b"battery staple")
    assert (strong.executed(), weak.executed()) == ({}, {"off": 1})


def test_ipmitool_resets_twice_where_we_reset_once(fleet: Fleet, pool: DriverPool) -> None:
    """After one lost answer ipmitool sends the command again, which our driver does not."""
    theirs, ours = fleet.one().fails(lost_replies=1), fleet.one().fails(lost_replies=1)
    ipmitool(theirs, 17, "chassis", "power", "reset")
    assert pool.control(ours.login, PowerCommand.RESET, lambda: None) is False
    assert (theirs.executed(), ours.executed()) == ({"reset": 2}, {"reset": 1})


def test_ipmipower_reads_our_bmc(fleet: Fleet) -> None:
    bmc = fleet.one()
    tool = need("ipmipower", "freeipmi-tools")
    where = ["-h", f"{bmc.address.host}:{bmc.address.port}", "-u", USER.decode(), "-p", PASSWORD.decode()]
    run = subprocess.run(
        [tool, *where, "-D", "LAN_2_0", "-I", "17", "--stat"], capture_output=True, text=True, timeout=20, check=False
    )
    assert run.stdout.strip().endswith(": on"), run


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BmcAddress]:
    """OpenIPMI's simulated BMC, which also accepts cipher suite 0."""
    tool, folder = need("ipmi_sim", "openipmi"), tmp_path_factory.mktemp("ipmi_sim")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "state").mkdir()
    _write_configuration(folder, port)
    process = subprocess.Popen(
        [tool, "-c", folder / "lan.conf", "-f", folder / "bmc.emu", "-s", folder / "state", "-n"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(0.5)
    assert process.poll() is None, "ipmi_sim did not start"
    yield BmcAddress("127.0.0.1", port)
    process.kill()
    process.wait()


def _write_configuration(folder: Path, port: int) -> None:
    user, password = (text.decode() for text in FOREIGN)
    authentications = "none md2 md5 straight"
    roles = "\n".join(
        f"    allowed_auths_{role} {authentications}" for role in ("callback", "user", "operator", "admin")
    )
    (folder / "power").write_text("1")
    (folder / "control").write_text(
        '#!/bin/sh\n# ipmi_sim calls: <mc> get power | <mc> set power 0|1 | set reset 1\ncd "$(dirname "$0")"\n'
        'shift\n[ "$1" = get ] && { echo "$2:$(cat power)"; exit 0; }\n'
        'while [ $# -gt 2 ]; do [ "$2" = power ] && echo "$3" > power; echo "$2 $3" >> told; shift 2; done\n'
    )
    os.chmod(folder / "control", 0o755)  # noqa: S103
    (folder / "lan.conf").write_text(
        f'name "foreign"\nset_working_mc 0x20\n  startlan 1\n    addr 127.0.0.1 {port}\n    priv_limit admin\n'
        f"{roles}\n    guid 000102030405060708090a0b0c0d0e0f\n  endlan\n"
        f'  chassis_control "{folder / "control"} 0x20"\n'
        f'  user 2 true "{user}" "{password}" admin 10 {authentications}\n'
    )
    record = " ".join(f"0x{byte:02x}" for byte in SENSOR.record(1)[5:])
    (folder / "bmc.emu").write_text(
        "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\n"
        "sel_enable 0x20 1000 0x0a\nsel_add 0x20 2 0 0 0 0x30 0x20 0 4 1 1 1 9 0xff 0xff\n"
        "sensor_add 0x20 0 1 1 1\nsensor_set_threshold 0x20 0 1 settable 011000 0 95 85 0 0 0\n"
        f"sensor_set_event_support 0x20 0 1 enable scanning per-state {' '.join(['000001010000000'] * 4)}\n"
        "sensor_set_value 0x20 0 1 97 0\n"
        f"main_sdr_add 0x20 0x01 0x00 0x51 0x01 0x{len(SENSOR.record(1)) - 5:02x} {record}\nmc_enable 0x20\n"
    )


def operation(pool: DriverPool, login: BmcLogin) -> PowerOperation:
    return PowerOperation(
        PooledBmc(pool, login), lambda _: None, time.monotonic, time.sleep, command_gap=0, pauses=(0.2, 0.5, 1)
    )


def test_our_driver_drives_ipmi_sim(foreign: BmcAddress, pool: DriverPool) -> None:
    login = BmcLogin(foreign, *FOREIGN)
    assert pool.state(login) is PowerState.ON
    results = [
        operation(pool, login).carry_out(PowerCommand(word)) for word in ("off", "on", "cycle", "reconnect", "status")
    ]
    assert [(result.confirmed, str(result.state)) for result in results] == [
        (True, state) for state in ("off", "on", "on", "on", "on")
    ]


def test_our_driver_is_refused_by_ipmi_sim_with_a_wrong_password(foreign: BmcAddress, pool: DriverPool) -> None:
    with pytest.raises(WrongLogin):
        pool.state(BmcLogin(foreign, b"admin", b"battery staple"))


def test_our_driver_reads_sensors_and_log_of_ipmi_sim(foreign: BmcAddress, pool: DriverPool) -> None:
    login = BmcLogin(foreign, *FOREIGN)
    assert pool.sensors(login) == [
        SensorReading("CPU Temp", SensorUnit.CELSIUS, 97.0, SensorState.CRITICAL, Thresholds(None, None, 85.0, 95.0))
    ]
    [entry] = pool.log(login, None).entries
    assert (entry.record, entry.sensor, entry.message) == ("1", "CPU Temp", "Upper critical")
    assert pool.clear_log(login, None) is False
    assert pool.clear_log(login, entry.mark) is True
    assert pool.log(login, None).entries == ()


def test_ipmi_sim_is_flagged_as_weak(foreign: BmcAddress, pool: DriverPool) -> None:
    assert pool.accepts_weak_auth(BmcLogin(foreign, *FOREIGN)) is True


def test_many_sessions_in_one_event_loop_do_not_mix(fleet: Fleet, pool: DriverPool) -> None:
    """A sweep of BMCs, half of them off, yields each answer with the key of its BMC."""
    off = {bmc.index for bmc in fleet.together[::2]}
    for bmc in fleet.together[::2]:
        pool.control(bmc.login, PowerCommand.OFF, lambda: None)
    wait_for(lambda: all(pool.state(bmc.login) is PowerState.OFF for bmc in fleet.together[::2]))
    batches = pool.sweep([(bmc.index, bmc.login) for bmc in fleet.together], deadline=30)
    seen = dict(result for batch in batches for result in batch)
    for bmc in fleet.together[::2]:
        pool.control(bmc.login, PowerCommand.ON, lambda: None)
    found_off = {index for index, state in seen.items() if state is PowerState.OFF}
    found_on = {index for index, state in seen.items() if state is PowerState.ON}
    assert (found_off <= off, found_on <= set(range(40)) - off) == (True, True)
    assert len(found_off | found_on) >= 36  # on a busy machine a BMC of the simulation may answer too late
