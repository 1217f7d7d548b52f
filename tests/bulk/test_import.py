"""Import of files: a dry run shows every row's fate and changes nothing; then exactly that is done, by services."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin import site
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.choices import Role
from backends.models import Backend, BackendGroup, Bmc
from bulk import tasks, work
from bulk.models import BulkAction, BulkItem
from core.admin.importing import IMPORTERS
from core.clock import db_now
from events.models import Event
from sda.models import Membership, SdaModel, SdaModelGroup
from sda.services.models import create_membership, create_sda_model_group
from tests import make
from tests.admin_world import address, client_of
from tests.bulk.imports import carry_out, dry_run, fates, send
from tokens.models import Token, TokenGroup
from tokens.services import create_token_group

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files", "patient")]
PASSWORD = "bmc-passw0rd-77"


def test_a_dry_run_shows_every_fate_and_changes_nothing_then_exactly_that_is_done(browser: Client) -> None:
    same = make.backend(2, name="same", description="")
    make.backend(2, name="other", description="old")
    text = (
        "name,ip,bmc_ip,description,device_count,status\n"
        f"same,{same.ip},127.0.0.1,,,ACTIVE\n"
        "other,10.0.9.9,127.0.0.1,new,,\n"
        "fresh,10.0.9.8,127.0.0.1,,4,\n"
        "\n"
        "bad,not-an-address,127.0.0.1,,,\n"
        "other,10.0.9.9,127.0.0.1,,,\n"
    )
    events = Event.objects.count()
    dry = dry_run(browser, Backend, text)
    other = Backend.objects.get(name="other")
    assert fates(dry) == [
        ("SKIPPED", "Unchanged."),
        ("DONE", f"Changed: ip: {other.ip} → 10.0.9.9; description: old → new"),
        ("DONE", "New."),
        ("FAILED", "A value is not valid. (ip: Enter a valid IPv4 or IPv6 address.)"),
        ("FAILED", "The same row is in the file twice. (line: 3)"),
    ]
    assert Backend.objects.count() == 2
    assert set(Event.objects.order_by("-id").values_list("action", flat=True)[: Event.objects.count() - events]) == {
        "BEGIN_BULK", "END_BULK",
    }  # fmt: skip
    bulk = carry_out(browser, dry)
    assert (bulk.state, bulk.total, bulk.done) == ("ENDED", 2, 2)
    assert fates(bulk) == fates(dry)[1:3]
    other.refresh_from_db()
    fresh = Backend.objects.get(name="fresh")
    assert (other.description, fresh.devices.count(), fresh.group_id) == ("new", 4, 0)
    made = Event.objects.get(action="CREATE_BACKEND", subject=f"backend/{fresh.pk}")
    assert (made.actor, made.referer_protocol, made.request["bulk"]) == (bulk.actor, "admin", bulk.pk)


RENAMED = {"devices": "device_count", "sda_models": "models", "tag_names": "tags"}
RENAMED |= {"token_group": "user_group", "model_group": "sda_model_group"}


def test_what_a_form_sets_a_file_sets_too_and_what_is_only_read_is_named(browser: Client) -> None:
    request = RequestFactory().get("/")
    request.user = make.operator(Role.MASTER)
    for model, importer in IMPORTERS.items():
        fields = {RENAMED.get(name, name) for name in site.get_model_admin(model).get_form(request).base_fields}
        assert fields <= {column.name for column in importer.columns}, model
    group, tokens = make.default_group(), create_token_group(name="tg", max_devices=2, actor=make.ACTOR)
    token = make.token()
    named = "name,policy,guard_s,draining,preempt,min_run_s,notice_s,backends"
    carry_out(browser, dry_run(browser, BackendGroup, f"{named}\n{group.name},strict,7,yes,yes,8,9,5\n"))
    group.refresh_from_db()
    rules = (group.policy, group.guard_s, group.draining, group.preempt, group.min_run_s, group.notice_s)
    assert rules == ("strict", 7, True, True, 8, 9)
    for cell, limit in (("4", 4), ("", 4), ("none", None)):
        for model, row, key in (
            (TokenGroup, tokens, "name,max_devices\ntg"),
            (Token, token, f"id,description,max_devices\n{token.pk},"),
        ):
            carry_out(browser, dry_run(browser, model, f"{key},{cell}\n"))
            row.refresh_from_db()
            assert row.max_devices == limit, (model, cell)
    answer = send(browser, BackendGroup, f"id,name,backends\n{group.pk},{group.name},5\n")
    shown = browser.get(answer.headers["Location"]).content.decode()
    assert "These columns can only be read, and nothing of them is imported: id, backends." in shown


def test_what_has_changed_meanwhile_is_refused_and_the_rest_is_done(browser: Client) -> None:
    first, second = make.token(description="Kim"), make.token(description="Lee")
    dry = dry_run(browser, Token, f"id,description,priority\n{first.pk},Kim,5\n{second.pk},Lee,5\n")
    Token.objects.filter(pk=first.pk).update(priority=3)
    bulk = carry_out(browser, dry)
    assert (bulk.done, bulk.failed) == (1, 1)
    assert fates(bulk)[0] == ("FAILED", "It is not what was shown any more. Make another dry run.")
    assert sorted(Token.objects.values_list("description", "priority")) == [("Kim", 3), ("Lee", 5)]


def test_a_dry_run_is_carried_out_once(browser: Client) -> None:
    dry = dry_run(browser, SdaModel, "name,num_devices\nSmall.64GB,1\n")
    page = reverse("admin:bulk_bulkaction_carry_out", args=[dry.pk])
    places = {browser.post(page).headers["Location"] for _ in range(2)}
    bulk = BulkAction.objects.latest("id")
    assert places == {address(BulkAction, "change", bulk.pk)}
    assert BulkAction.objects.filter(verb="import").count() == 1


def test_a_password_is_written_and_never_seen(browser: Client) -> None:
    node = make.backend(0, name="gpu-1", bmc_password="old")
    text = f"name,bmc_user,bmc_password\ngpu-1,root,{PASSWORD}\n"
    dry = dry_run(browser, Backend, text)
    assert fates(dry) == [("DONE", "Changed: bmc_user: *** → ***; bmc_password: *** → ***")]
    assert _traces() == []
    assert PASSWORD not in browser.get(address(BulkAction, "change", dry.pk)).content.decode()
    bulk = carry_out(browser, dry)
    assert (bulk.done, Bmc.objects.get(backend=node).password) == (1, PASSWORD)
    assert _traces() == []
    assert set(BulkItem.objects.values_list("payload", flat=True)) == {""}


def _traces() -> list[str]:
    """Return the tables whose rows hold the password as it is."""
    found = []
    with connection.cursor() as cursor:
        for table in ("bulk_bulkitem", "bulk_bulkaction", "events_event"):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608
            found += [table for row in cursor.fetchall() if PASSWORD in str(row)]
    return found


def test_lines_of_stopped_and_forgotten_imports_are_deleted(browser: Client) -> None:
    old = dry_run(browser, SdaModel, "name,num_devices\na,1\n")
    young = dry_run(browser, SdaModel, "name,num_devices\nb,1\n")
    BulkAction.objects.filter(pk=old.pk).update(ended_at=db_now() - timedelta(hours=2))
    tasks.pick_up()
    kept = {bulk.pk: bulk.items.exclude(payload="").count() for bulk in (old, young)}
    assert kept == {old.pk: 0, young.pk: 1}
    answer = browser.post(reverse("admin:bulk_bulkaction_carry_out", args=[old.pk]))
    assert "was too long ago" in browser.get(answer.headers["Location"]).content.decode()
    browser.post(reverse("admin:bulk_bulkaction_carry_out", args=[young.pk]))
    bulk = BulkAction.objects.latest("id")
    browser.post(reverse("admin:bulk_bulkaction_stop", args=[bulk.pk]), {"agreed": "1"})
    tasks.pick_up()
    assert not BulkItem.objects.exclude(payload="").exists()
    assert not SdaModel.objects.exists()


def _world() -> None:
    node = make.backend(2, name="gpu-1", description="=1+1", bmc_password=PASSWORD)
    make.backend(1, name="노드")
    token = make.token(description="Kim, the first", env={"A": "secret-value"})
    group = create_token_group(name="team", actor=make.ACTOR, tokens=[token])
    models = create_sda_model_group(
        name="models", backend_group=node.group, actor=make.ACTOR, models=[make.sda_model(), make.sda_model()]
    )
    create_membership(group, models, actor=make.ACTOR)


NOUNS = [Backend, BackendGroup, Token, TokenGroup, SdaModel, SdaModelGroup, Membership]


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize("model", NOUNS)
def test_our_own_file_fits_and_changes_nothing(browser: Client, model: Any, kind: str) -> None:
    _world()
    answer: Any = browser.get(address(model, "changelist") + f"export.{kind}")
    data = b"".join(answer.streaming_content)
    assert PASSWORD.encode() not in data
    assert b"secret-value" not in data
    dry = dry_run(browser, model, data)
    assert set(fates(dry)) == {("SKIPPED", "Unchanged.")}
    assert dry.total == model.objects.count()


FILES: dict[str, tuple[Any, str, Any]] = {
    "a user group with its members": (
        TokenGroup, "name,members\nteam,{token}\n", lambda: TokenGroup.objects.get().tokens.count() == 1
    ),
    "a backend group with its nodes": (
        BackendGroup, 'name,combine,members\nspare,no,"[""gpu-9""]"\n',
        lambda: Backend.objects.get(name="gpu-9").group.name == "spare",
    ),
    "a model group with its models": (
        SdaModelGroup, "name,backend_group,models\nm,default_backend_group,Big; Huge\n",
        lambda: sorted(SdaModelGroup.objects.get().sda_models.values_list("name", flat=True)) == ["Big", "Huge"],
    ),
    "a model that is not open": (
        SdaModel, "name,num_devices,open\nTiny,1,FALSE\n", lambda: not SdaModel.objects.get(name="Tiny").open
    ),
    "a token with its environment and groups": (
        Token, '[{"description": "Park", "env": {"A": "1"}, "groups": [], "priority": -3}]',
        lambda: Token.objects.get(description="Park").env == {"A": "1"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_what_a_file_makes(browser: Client, case: str) -> None:
    model, text, holds = FILES[case]
    token = make.token()
    make.backend(0, name="gpu-9")
    for name in ("Big", "Huge"):
        make.sda_model(name=name)
    dry = dry_run(browser, model, text.replace("{token}", str(token.pk)))
    assert fates(dry) == [("DONE", "New.")]
    carry_out(browser, dry)
    assert holds()


def test_a_membership_is_made_once(browser: Client) -> None:
    create_token_group(name="team", actor=make.ACTOR)
    create_sda_model_group(name="models", backend_group=make.default_group(), actor=make.ACTOR)
    text = "user_group,sda_model_group\nteam,models\nnobody,models\n"
    dry = dry_run(browser, Membership, text)
    assert fates(dry) == [
        ("DONE", "New."),
        ("FAILED", "A value is not valid. (user_group: There is no such object. nobody)"),
    ]
    carry_out(browser, dry)
    assert Membership.objects.count() == 1
    assert fates(dry_run(browser, Membership, text))[0] == ("SKIPPED", "Unchanged.")


def test_a_file_sent_twice_begins_one_dry_run(browser: Client) -> None:
    for _ in range(2):
        send(browser, SdaModel, "name,num_devices\na,1\n", key="one")
    assert BulkAction.objects.count() == 1


def test_a_long_file_is_looked_at_by_workers(browser: Client) -> None:
    dry = dry_run(browser, SdaModel, "name,num_devices\n" + "".join(f"m{i},1\n" for i in range(60)))
    assert (dry.state, dry.total) == ("QUEUED", 60)
    assert 'carry_out/"' not in browser.get(address(BulkAction, "change", dry.pk)).content.decode()
    work.carry_on(dry.pk)
    assert 'carry_out/"' in browser.get(address(BulkAction, "change", dry.pk)).content.decode()
    assert carry_out(browser, dry).done == 60


def test_who_may_only_look_imports_nothing(browser: Client) -> None:
    reader = client_of(Role.READ_ONLY)
    assert send(reader, SdaModel, "name,num_devices\na,1\n").status_code == 403
    assert 'href="import/"' not in reader.get(address(SdaModel, "changelist")).content.decode()
    assert 'href="import/"' in browser.get(address(SdaModel, "changelist")).content.decode()
    dry = dry_run(browser, SdaModel, "name,num_devices\na,1\n")
    assert reader.post(reverse("admin:bulk_bulkaction_carry_out", args=[dry.pk])).status_code == 403
    assert browser.get(reverse("admin:bulk_bulkaction_carry_out", args=[dry.pk])).status_code == 405
    assert BulkAction.objects.count() == 1


def test_the_fates_are_told_in_korean(browser: Client) -> None:
    dry = dry_run(browser, Token, "id,description,priority\n,a,100\n,b,1\n")
    shown = browser.get(address(BulkAction, "change", dry.pk), headers={"accept-language": "ko"}).content.decode()
    assert "신규입니다." in shown
    assert "99" in shown
    assert "Ensure this value" not in shown
