"""Each node's BMC has a driver of its own: chosen in every interface, with its port, its certificate and its limits."""

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from accounts.choices import Role
from backends.models import Backend, Bmc
from backends.power.redfish_simulator import ServerCertificate
from backends.services.nodes import update_backend
from backends.services.power_readings import store_weakness
from core.admin.importing import IMPORTERS
from core.errors import InvalidParameter
from core.stored_text import Skipped
from events.models import Event
from tests import make
from tests.admin_world import address, client_of, nouns
from tests.api import V2, client, done, refused

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
URL = f"{V2}/backend"
NEW = {"node": "127.0.0.1", "label": "n", "workerip": "10.0.0.1", "group": 0}
CA = ServerCertificate.new().ca
COLONS = ":".join(["AB"] * 32)

# what is given → driver, port and certificate that are stored
STORED: dict[str, tuple[dict[str, Any], tuple[str, int, str]]] = {
    "nothing": ({}, ("ipmi", 623, "")),
    "Redfish": ({"bmcDriver": "Redfish"}, ("redfish", 443, "")),
    "Redfish on a port": ({"bmcDriver": "redfish", "bmcPort": 8443}, ("redfish", 8443, "")),
    "a fingerprint with colons": ({"bmcDriver": "redfish", "bmcCertificate": COLONS}, ("redfish", 443, "ab" * 32)),
    "a CA": ({"bmcDriver": "redfish", "bmcCertificate": f"about it\r\n{CA}"}, ("redfish", 443, CA.strip())),
    "a long password": ({"bmcDriver": "redfish", "user": "u" * 17, "pwd": "p" * 100}, ("redfish", 443, "")),
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a driver that is not there": ({"bmcDriver": "ssh"}, "bmcDriver"),
    "a fingerprint of SHA-1": ({"bmcCertificate": "ab" * 20}, "bmcCertificate"),
    "a broken certificate": ({"bmcCertificate": CA.replace("A", "", 1)}, "bmcCertificate"),
    "a certificate too long": ({"bmcCertificate": CA * 40}, "bmcCertificate"),
    "a password longer than Redfish's": ({"bmcDriver": "redfish", "pwd": "p" * 129}, "pwd"),
    "a password longer than IPMI's": ({"pwd": "p" * 21}, "pwd"),
}


def stored(node: int | Backend) -> tuple[str, int, str]:
    bmc = Bmc.objects.get(backend=node)
    return bmc.driver, bmc.port, bmc.certificate.strip()


@pytest.mark.parametrize("case", STORED)
def test_a_bmc_is_stored_with(case: str) -> None:
    given, expected = STORED[case]
    api = client()
    made = done(api.post(URL, {**NEW, **given}))
    assert (stored(made["id"]), made["ipmi"]["driver"]) == (expected, expected[0])
    node = make.backend(0)
    done(api.put(URL, {"command": "update", "id": node.pk, **given}))
    assert stored(node) == (expected if given else ("ipmi", 623, ""))


@pytest.mark.parametrize("case", REFUSED)
def test_a_bmc_is_refused_with(case: str) -> None:
    given, named = REFUSED[case]
    node = make.backend(0)
    assert refused(client().post(URL, {**NEW, **given})) == (400, "INVALID_PARAMETER", [named])
    assert refused(client().put(URL, {"command": "update", "id": node.pk, **given}))[2] == [named]
    assert stored(node) == ("ipmi", 623, "")


def change(node: Backend, **bmc: Any) -> None:
    update_backend(node, actor=make.ACTOR, bmc=bmc)


def test_a_port_that_nobody_chose_follows_the_driver() -> None:
    node = make.backend(0)
    for bmc, port in (
        ({"driver": "redfish"}, 443),
        ({"driver": "ipmi"}, 623),
        ({"port": 7000}, 7000),
        ({"driver": "redfish"}, 7000),
        ({"port": None}, 443),
        ({"driver": "ipmi", "port": 443}, 443),
    ):
        change(node, **bmc)
        assert Bmc.objects.get(backend=node).port == port


def test_the_stored_login_must_fit_another_driver() -> None:
    node = make.backend(0)
    change(node, driver="redfish", user="u" * 17, password="p" * 21)
    for login, named in ({}, "user"), ({"user": "u"}, "pwd"):
        with pytest.raises(InvalidParameter) as caught:
            change(node, driver="ipmi", **login)
        assert caught.value.details == {"parameter": named}
        assert stored(node) == ("redfish", 443, "")
    change(node, driver="ipmi", user="u", password="p")
    assert stored(node) == ("ipmi", 623, "")


def test_another_driver_forgets_wrong_logins_and_weakness() -> None:
    node = make.backend(0)
    old = Bmc.objects.get(backend=node)
    Bmc.objects.filter(backend=node).update(weak=True, wrong_logins=[1, 2, 3])
    change(node, driver="redfish", port=623)
    store_weakness(old, weak=True)  # a test of the old driver that ends only now
    bmc = Bmc.objects.get(backend=node)
    assert (bmc.weak, bmc.wrong_logins) == (None, [])


def test_events_name_the_driver_and_what_verifies_the_bmc_but_no_login() -> None:
    made = done(client().post(URL, {**NEW, "bmcDriver": "redfish", "bmcCertificate": COLONS, "pwd": "secret"}))
    node = Backend.objects.get(pk=made["id"])
    change(node, driver="ipmi", certificate=CA, password="another")
    change(node, certificate="")
    ca = x509.load_pem_x509_certificate(CA.encode()).fingerprint(SHA256()).hex()
    events = Event.objects.filter(subject=f"backend/{node.pk}").order_by("pk")
    assert [event.request["bmc"] for event in events] == [
        {"driver": "redfish", "port": 443, "certificate": "ab" * 32},
        {"driver": "ipmi", "port": 623, "certificate": f"CA {ca}", "login": "changed"},
        {"certificate": ""},
    ]


FORM = {
    "name": "renamed", "group": 0, "port": 21545, "description": "", "bmc_ip": "127.0.0.1", "bmc_user": "",
    "bmc_password": "",
}  # fmt: skip


def test_the_form_chooses_the_driver_and_without_the_field_keeps_it() -> None:
    browser, node = client_of(Role.MASTER), make.backend(0)
    page = address(Backend, "change", node.pk)
    assert 'name="bmc_driver"' in browser.get(page).content.decode()
    form = {**FORM, "ip": node.ip, "bmc_port": 623}
    bmc = {"bmc_driver": "redfish", "bmc_certificate": CA.replace("\n", "\r\n")}
    assert browser.post(page, {**form, **bmc}).status_code == 302
    assert stored(node) == ("redfish", 443, CA.strip())
    assert browser.post(page, {**form, "bmc_port": 443, "name": "other"}).status_code == 302
    assert stored(node)[:2] == ("redfish", 443)
    answer = browser.post(page, {**form, "bmc_driver": "redfish", "bmc_certificate": "ab"})
    assert list(answer.context["adminform"].form.errors) == ["bmc_certificate"]


def test_a_file_chooses_the_driver() -> None:
    nouns()  # registers the importers
    importer = IMPORTERS[Backend]
    line = {"name": "n", "ip": "10.0.0.1", "bmc_ip": "127.0.0.1", "bmc_driver": "redfish", "bmc_certificate": COLONS}
    importer.carry_out(make.ACTOR, {"cells": line})
    assert stored(Backend.objects.get()) == ("redfish", 443, "ab" * 32)
    assert isinstance(importer.carry_out(make.ACTOR, {"cells": line}), Skipped)  # nothing would change
    importer.carry_out(make.ACTOR, {"cells": {"name": "n", "bmc_driver": "", "bmc_port": 8443}})
    assert stored(Backend.objects.get()) == ("redfish", 8443, "ab" * 32)
    for driver, port in ("ipmi", 623), ("redfish", 623), ("redfish", 443), ("ipmi", 443):  # a port in the file stays
        row: dict[str, Any] = {"name": "n", "bmc_driver": driver, "bmc_port": port}
        importer.carry_out(make.ACTOR, {"cells": row})
        assert stored(Backend.objects.get())[:2] == (driver, port)
        assert isinstance(importer.carry_out(make.ACTOR, {"cells": row}), Skipped)
    importer.carry_out(make.ACTOR, {"cells": {"name": "n", "bmc_driver": "redfish", "bmc_port": ""}})
    assert stored(Backend.objects.get())[:2] == ("redfish", 443)
    with pytest.raises(InvalidParameter) as caught:
        importer.carry_out(make.ACTOR, {"cells": {"name": "n", "bmc_driver": "ssh"}})
    assert list(caught.value.details) == ["bmc_driver"]
