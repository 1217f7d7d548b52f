"""Power actions of nodes whose BMCs speak Redfish, from the row to the machine and back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alerts.models import Alert
from backends import work
from backends.choices import PowerStatus, PowerVerb
from backends.models import Backend, Bmc, PowerAction
from backends.power.monitoring import LOG_PORTION
from backends.services.power import request_power
from tests import make
from tests.backends.power import bmcs
from tests.backends.power.bmcs import Fleet

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module", autouse=True)
def _end_drivers() -> Iterator[None]:
    yield
    work.pool().close()
    work.pool.cache_clear()


def _node(bmc: bmcs.Bmc, certificate: str) -> Backend:
    where: dict[str, Any] = {"bmc_ip": bmc.address.host, "bmc_port": bmc.address.port, "bmc_driver": "redfish"}
    login: dict[str, Any] = {"bmc_user": bmcs.USER.decode(), "bmc_password": bmcs.PASSWORD.decode()}
    return make.backend(1, bmc_certificate=certificate, **where, **login)


def _drive(node: Backend, verb: PowerVerb) -> PowerAction:
    action = request_power(node, verb, actor=make.ACTOR)
    work.drive(action.pk)
    action.refresh_from_db()
    return action


def test_a_node_is_switched_over_redfish(redfish: Fleet) -> None:
    bmc = redfish.one()
    node = _node(bmc, redfish.fingerprint.upper())
    off = _drive(node, PowerVerb.OFF)
    assert (off.state, off.sent, bmc.state()) == ("SUCCEEDED", ["off"], "off")
    assert Bmc.objects.get(backend=node).status == PowerStatus.OFF
    Bmc.objects.update(commanded_at=None, checked_at=None)
    work.sweep_power()
    assert (Bmc.objects.get(backend=node).status, bmc.executed(), bmc.sessions()) == (PowerStatus.OFF, {"off": 1}, 1)


def test_the_clearing_of_a_log_that_never_ends_does(redfish: Fleet) -> None:
    bmc = redfish.one().fails(restless=True)
    bmc.fleet.request({"do": "log", "bmc": bmc.index, "count": LOG_PORTION + 1})
    node = _node(bmc, redfish.fingerprint)
    cleared = _drive(node, PowerVerb.CLEAR_LOG)
    assert (cleared.state, cleared.code) == ("FAILED", "LOG_GROWS")
    bmc.fails(restless=False)
    assert _drive(node, PowerVerb.CLEAR_LOG).state == "SUCCEEDED"


def test_a_bmc_with_another_certificate_gets_no_login_and_raises_an_alert(redfish: Fleet) -> None:
    bmc = redfish.one()
    node = _node(bmc, "0" * 64)
    _drive(node, PowerVerb.STATUS)
    action = _drive(node, PowerVerb.RESET)
    row = Bmc.objects.get(backend=node)
    assert (action.state, action.code, row.error) == ("FAILED", "UNTRUSTED_CERTIFICATE", "UNTRUSTED_CERTIFICATE")
    assert (row.wrong_logins, bmc.logins(), bmc.executed()) == ([], 0, {})
    assert Alert.objects.get().category == "BMC_UNREACHABLE"


def test_bmcs_without_a_certificate_are_verified_by_the_setting(redfish: Fleet, settings: Any, tmp_path: Path) -> None:
    settings.MOREH_BMC_CA = tmp_path / "ca.pem"
    node = _node(redfish.one(), "")
    assert _drive(node, PowerVerb.STATUS).code == "UNTRUSTED_CERTIFICATE"  # there is no such file
    settings.MOREH_BMC_CA.write_text(redfish.ca)
    assert _drive(node, PowerVerb.STATUS).state == "SUCCEEDED"
    weak = _node(redfish.one().fails(weak_auth=True), "")
    _drive(weak, PowerVerb.STATUS)
    work.probe_bmcs()
    assert dict(Bmc.objects.values_list("backend", "weak")) == {node.pk: False, weak.pk: True}
    assert Alert.objects.get(category="BMC_WEAK").text.endswith("without a password (systems without login).")
