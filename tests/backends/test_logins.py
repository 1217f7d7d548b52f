"""A login that the driver of a BMC cannot send is refused when it is set, and does not count as a wrong login."""

from dataclasses import replace
from typing import Any

import pytest
from django.utils.translation import gettext, override

from backends import work
from backends.choices import ActionState, PowerVerb
from backends.models import Bmc, PowerAction
from backends.power.driver import BmcAddress, LoginBytes
from backends.power.drivers import DRIVERS, DriverKind
from backends.power.errors import UnusableLogin
from backends.power.login import BmcLogin
from backends.services.logins import require_login
from backends.services.nodes import create_backend
from backends.services.power import request_power
from core.errors import InvalidParameter
from core.stored_text import refusal_json, render
from tests import make
from tests.api import V2, client, done, refused

pytestmark = pytest.mark.django_db
URL = f"{V2}/backend"
REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "a user of 17 bytes": ({"user": "x" * 17}, "user"),
    "a user of 6 letters in 18 bytes": ({"user": "비비비비비비"}, "user"),
    "a password of 21 bytes": ({"pwd": "x" * 21}, "pwd"),
    "a password of 7 letters in 21 bytes": ({"pwd": "비비비비비비비"}, "pwd"),
    "a password of 30 letters": ({"pwd": "x" * 30}, "pwd"),
    "a password with a line break": ({"pwd": "a\nb"}, "pwd"),
}
TAKEN: dict[str, dict[str, str]] = {
    "a user of 16 bytes": {"user": "x" * 16},
    "a user of 5 letters in 15 bytes": {"user": "비비비비비"},
    "a password of 20 bytes": {"pwd": "x" * 20},
    "blanks in a password": {"pwd": " p "},
    "an apostrophe in a password": {"pwd": "'@dmin"},
}
EMPTY: dict[str, tuple[dict[str, str], str]] = {"an empty password": ({"pwd": ""}, "pwd")}
NEW = {"node": "127.0.0.1", "label": "n", "workerip": "10.0.0.1", "group": 0}


@pytest.mark.parametrize("case", [*REFUSED, *EMPTY])
def test_a_login_is_refused_when_it_is_set(case: str) -> None:
    login, named = {**REFUSED, **EMPTY}[case]
    api, node = client(), make.backend(bmc_user="u", bmc_password="p")
    expected = (400, "INVALID_PARAMETER", [named])
    assert refused(api.post(URL, {**NEW, **login})) == expected
    assert refused(api.put(URL, {"command": "update", "id": node.pk, **login})) == expected
    bmc = Bmc.objects.get()
    assert (bmc.user, bmc.password) == ("u", "p")


@pytest.mark.parametrize("case", TAKEN)
def test_a_login_that_fits_is_stored_as_it_is(case: str) -> None:
    login, api = TAKEN[case], client()
    made = done(api.post(URL, {**NEW, **login}))
    done(api.put(URL, {"command": "update", "id": made["id"], **login}))
    bmc = Bmc.objects.get(backend=made["id"])
    assert {"user": bmc.user, "pwd": bmc.password} == {"user": "", "pwd": "", **login}


@pytest.mark.parametrize("case", REFUSED)
def test_a_login_for_one_action_is_checked_too(case: str) -> None:
    login, named = REFUSED[case]
    node = make.backend(bmc_user="u", bmc_password="p")
    params = {"command": "on", "id": node.pk, **login}
    assert refused(client().put(URL, params)) == (400, "INVALID_PARAMETER", [named])
    assert not PowerAction.objects.exists()


def test_a_node_can_be_created_without_a_login() -> None:
    given: dict[str, Any] = {"name": "n", "ip": "10.0.0.1", "bmc_ip": "127.0.0.1", "group": make.default_group()}
    node, _key = create_backend(**given, actor=make.ACTOR)
    assert Bmc.objects.get(backend=node).password == ""
    with pytest.raises(InvalidParameter):
        create_backend(**{**given, "name": "m"}, bmc_password="", actor=make.ACTOR)


@pytest.mark.parametrize(("user", "password"), [("x" * 17, "p"), ("u", "x" * 21)], ids=["the user", "the password"])
def test_a_stored_login_that_is_too_long_is_no_wrong_login(user: str, password: str) -> None:
    node = make.backend()
    row = Bmc.objects.get(backend=node)
    row.user, row.password = user, password
    row.save()
    for _ in range(4):
        action = request_power(node, PowerVerb.RECONNECT, actor=make.ACTOR)
        work.drive(action.pk)
        action.refresh_from_db()
        assert (action.state, action.code) == (ActionState.FAILED, "UNUSABLE_LOGIN")
    work.sweep_power()
    row.refresh_from_db()
    assert (row.wrong_logins, row.error) == ([], "UNUSABLE_LOGIN")


def test_another_driver_brings_its_own_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    longer = DriverKind("Longer", "backends.power.ipmi", LoginBytes(user=64, password=64), 623, "")
    monkeypatch.setitem(DRIVERS, "longer", longer)
    require_login("longer", user="u" * 64, password="p" * 64)
    login = BmcLogin(BmcAddress("127.0.0.1"), b"u" * 64, b"p" * 64, "longer")
    with pytest.raises(UnusableLogin, match=r"user at most 16 bytes, password at most 20 bytes \(IPMI 2.0\)"):
        replace(login, driver="ipmi")
    with pytest.raises(InvalidParameter, match="64 bytes"):
        require_login("longer", user="u" * 65)


def test_a_refusal_that_is_stored_is_read_in_the_reader_s_language() -> None:
    with pytest.raises(InvalidParameter) as caught:
        require_login("ipmi", user="x" * 17)
    assert str(caught.value) == "The user of a BMC has at most 16 bytes."
    stored = refusal_json(caught.value)
    with override("ko"):
        assert render(stored).startswith(
            f"{gettext('The user of a BMC has at most %(bytes)s bytes.') % {'bytes': 16}} ("
        )
        assert "at most" not in render(stored)
