import os
import stat
from collections import Counter
from pathlib import Path

import pytest

from backends.models import Backend, BackendGroup, Bmc, Device
from events.models import Event
from fleet.roster import bmc_certificate, read_roster, roster_file
from fleet.seed import seed_fleet
from scheduler.services.nodes import delete_backend
from sda.models import Membership, Sda
from sda.queries import access_of
from tests.make import ACTOR
from tokens.models import Token

pytestmark = pytest.mark.django_db


def _counts() -> dict[str, int]:
    nouns = (Backend, BackendGroup, Device, Token, Sda, Membership, Event)
    return {noun.__name__: noun.objects.count() for noun in nouns}


def test_a_new_fleet_is_what_an_operator_would_have_made(tmp_path: Path) -> None:
    seed_fleet(16, tmp_path)
    events = {name: Event.objects.filter(action=name).count() for name in ("CREATE_BACKEND", "CREATE_SDA")}
    assert events == {"CREATE_BACKEND": 16, "CREATE_SDA": 8}
    groups = {group.name: group.backends.count() for group in BackendGroup.objects.exclude(pk=0)}
    assert groups == {"Inference": 4, "Training": 12}
    assert Device.objects.count() == 128
    bmcs = Counter(Bmc.objects.values_list("driver", "certificate"))
    assert bmcs == {("ipmi", ""): 12, ("redfish", bmc_certificate(tmp_path).fingerprint): 4}
    for sda in Sda.objects.all():
        assert sda.model in [way.model for way in access_of(sda.token)]


def test_seeding_again_changes_nothing_and_more_nodes_are_added(tmp_path: Path) -> None:
    first = seed_fleet(2, tmp_path)
    before = _counts()
    assert seed_fleet(2, tmp_path) == first
    assert _counts() == before
    more = seed_fleet(3, tmp_path)
    assert [node.name for node in more.nodes] == ["node-01", "node-02", "node-03"]
    assert more.nodes[:2] == first.nodes


def test_bmcs_get_the_certificate_that_the_fleet_shows_now(tmp_path: Path) -> None:
    seed_fleet(4, tmp_path)
    (tmp_path / "fleet" / "bmc.pem").unlink()
    seed_fleet(4, tmp_path)
    assert Bmc.objects.get(driver="redfish").certificate == bmc_certificate(tmp_path).fingerprint


def test_a_node_that_an_operator_deleted_stays_deleted(tmp_path: Path) -> None:
    seed_fleet(2, tmp_path)
    delete_backend(Backend.objects.get(name="node-02"), actor=ACTOR)
    seed_fleet(2, tmp_path)
    assert [backend.name for backend in Backend.objects.live()] == ["node-01"]


def test_an_interrupted_start_is_taken_over(tmp_path: Path) -> None:
    lost = seed_fleet(2, tmp_path)
    before = _counts()
    roster_file(tmp_path).unlink()
    found = seed_fleet(2, tmp_path)
    assert [node.name for node in found.nodes] == [node.name for node in lost.nodes]
    assert not {node.key for node in found.nodes} & {node.key for node in lost.nodes}
    assert [customer.token for customer in found.customers] == [customer.token for customer in lost.customers]
    assert {**_counts(), "Event": 0} == {**before, "Event": 0}


def test_keys_and_tokens_are_for_the_owner_only(tmp_path: Path) -> None:
    roster = seed_fleet(1, tmp_path)
    assert stat.S_IMODE(os.stat(roster_file(tmp_path)).st_mode) == 0o600
    assert read_roster(tmp_path) == roster
    secrets = [roster.bmc_password, *(node.key for node in roster.nodes), *(c.token for c in roster.customers)]
    written = str(list(Event.objects.values_list("request", "response")))
    assert not [secret for secret in secrets if secret in written or secret in repr(roster)]
