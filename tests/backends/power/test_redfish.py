"""Redfish: each failure has an error of its own, sessions are reused and deleted, and only a verified BMC is asked."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from backends.power.driver import BmcAddress, PowerCommand, PowerState
from backends.power.errors import PowerError
from backends.power.login import BmcLogin
from backends.power.pool import DriverPool
from tests.backends.power.bmcs import PASSWORD, USER, Fleet

QUICK = 0.6  # seconds until a silent BMC is given up
SYSTEM = "/redfish/v1/Systems/1"
# what happens: (faults, the error, whether it is fatal)
FAULTS: dict[str, tuple[dict[str, Any], str, bool]] = {
    "silent after TLS": ({"black_hole": True}, "BMC_SILENT", False),
    "silent in the middle of the login": ({"silent_at": "login"}, "BMC_SILENT", False),
    "silent in the middle of the system": ({"silent_at": SYSTEM}, "BMC_SILENT", False),
    "byte by byte": ({"trickles": True}, "BMC_SILENT", False),
    "no HTTP": ({"garbage": True}, "BMC_GARBAGE", False),
    "no JSON": ({"no_json": True}, "BMC_GARBAGE", False),
    "an answer without end": ({"endless": True}, "BMC_GARBAGE", False),
    "all sessions taken": ({"sessions_full": True}, "SESSIONS_FULL", False),
}
LOGINS = {
    "a wrong password": (USER, b"battery staple"),
    "an unknown user": (b"nobody", PASSWORD),
    "a password that IPMI could not send": (USER, b"x" * 100),
}


def code_of(pool: DriverPool, login: BmcLogin, timeout: float = 3.0) -> tuple[str, bool]:
    with pytest.raises(PowerError) as caught:
        pool.state(login, timeout=timeout)
    return caught.value.code, caught.value.fatal


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_its_name(redfish: Fleet, pool: DriverPool, fault: str) -> None:
    faults, code, fatal = FAULTS[fault]
    bmc, begun = redfish.one().fails(**faults), time.monotonic()
    assert code_of(pool, bmc.login, QUICK if code == "BMC_SILENT" else 3.0) == (code, fatal)
    assert time.monotonic() - begun < 2.0
    bmc.fails(**{name: type(value)() for name, value in faults.items()})
    assert pool.state(bmc.login) is PowerState.ON


@pytest.mark.parametrize("case", LOGINS)
def test_a_wrong_login_fails_at_once(redfish: Fleet, pool: DriverPool, case: str) -> None:
    user, password = LOGINS[case]
    bmc = redfish.one()
    assert code_of(pool, replace(bmc.login, user=user, password=password)) == ("WRONG_LOGIN", True)
    assert pool.state(bmc.login) is PowerState.ON


# what a server without TLS says first → the error
NO_TLS = {"nothing": (b"", "BMC_SILENT"), "plain HTTP": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "BMC_GARBAGE")}


@pytest.mark.parametrize("case", NO_TLS)
def test_what_speaks_no_tls_is_not_asked(pool: DriverPool, case: str) -> None:
    words, code = NO_TLS[case]
    with closing(socket.create_server(("127.0.0.1", 0))) as server, ThreadPoolExecutor(1) as thread:
        address = BmcAddress("127.0.0.1", server.getsockname()[1])
        heard = thread.submit(hear, server, words)
        assert code_of(pool, BmcLogin(address, USER, PASSWORD, "redfish", "0" * 64), QUICK) == (code, False)
        assert [secret for secret in (USER, PASSWORD, b"/redfish") if secret in heard.result()] == []


def hear(server: socket.socket, words: bytes) -> bytes:
    """Send these bytes to the first caller; return what it sent until it closed the connection."""
    heard = b""
    with closing(server.accept()[0]) as caller:
        caller.sendall(words)
        while data := caller.recv(4096):
            heard += data
    return heard


def test_a_closed_port_is_unreachable(pool: DriverPool) -> None:
    login = BmcLogin(BmcAddress("127.0.0.1", 9), USER, PASSWORD, "redfish", "0" * 64)
    assert code_of(pool, login) == ("BMC_UNREACHABLE", False)


def test_only_the_bmc_of_the_certificate_is_asked(redfish: Fleet, pool: DriverPool) -> None:
    bmc = redfish.one()
    trusted = {certificate: replace(bmc.login, certificate=certificate) for certificate in (redfish.ca, "f" * 64, "")}
    assert pool.state(trusted[redfish.ca]) is PowerState.ON
    assert code_of(pool, trusted["f" * 64]) == ("UNTRUSTED_CERTIFICATE", True)
    assert code_of(pool, trusted[""]) == ("UNTRUSTED_CERTIFICATE", True)  # the system's CAs did not sign it
    with pytest.raises(PowerError) as caught:
        pool.control(trusted["f" * 64], PowerCommand.OFF, lambda: None)
    assert (caught.value.code, bmc.executed(), bmc.logins()) == ("UNTRUSTED_CERTIFICATE", {}, 1)


def test_one_session_serves_many_operations_and_ends_with_the_pool(redfish: Fleet) -> None:
    bmc, pool = redfish.one(), DriverPool(healthy=1)
    for _ in range(5):
        pool.state(bmc.login)
    pool.control(bmc.login, PowerCommand.OFF, lambda: None)
    assert (bmc.logins(), bmc.sessions()) == (1, 1)
    pool.reconnect(bmc.login)
    assert (bmc.logins(), bmc.sessions()) == (2, 1)
    pool.close()
    until = time.monotonic() + 2
    while bmc.sessions() and time.monotonic() < until:
        time.sleep(0.01)
    assert bmc.sessions() == 0


def test_a_session_that_has_ended_costs_one_new_login(redfish: Fleet, pool: DriverPool) -> None:
    bmc = redfish.one().fails(session_seconds=0.1)
    assert pool.state(bmc.login) is PowerState.ON
    time.sleep(0.15)
    assert pool.control(bmc.login, PowerCommand.RESET, lambda: None) is True
    assert (bmc.logins(), bmc.executed()) == (2, {"reset": 1})


def test_a_changed_password_is_found_at_the_next_login(redfish: Fleet, pool: DriverPool) -> None:
    bmc = redfish.one()
    assert pool.state(bmc.login) is PowerState.ON
    bmc.change_password("battery staple")
    assert pool.state(bmc.login) is PowerState.ON  # inside the open session
    with pytest.raises(PowerError, match="wrong user or password"):
        pool.reconnect(bmc.login)
    assert pool.state(replace(bmc.login, password=b"battery staple")) is PowerState.ON


def test_a_bmc_that_shows_its_systems_to_anybody_is_flagged(redfish: Fleet, pool: DriverPool) -> None:
    strong, weak = redfish.one(), redfish.one().fails(weak_auth=True)
    assert pool.accepts_weak_auth(strong.login) is False
    assert pool.accepts_weak_auth(weak.login) is True
    assert pool.state(weak.login) is PowerState.ON
