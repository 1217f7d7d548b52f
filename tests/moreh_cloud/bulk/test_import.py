"""Import of files: a dry run shows every row's fate and changes nothing; then exactly that is done, by services."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse

from backends.models import Backend, BackendGroup, Bmc
from moreh_cloud.accounts.choices import Role
from moreh_cloud.bulk import tasks, work
from moreh_cloud.bulk.models import BulkAction, BulkItem
from moreh_cloud.events.models import Event
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.said import say
from sda.models import Membership, SdaModel, SdaModelGroup
from sda.services.models import create_membership, create_sda_model_group
from tests import make
from tests.admin_world import address, client_of
from tokens.models import Token, TokenGroup
from tokens.services import create_token_group

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
PASSWORD = "bmc-passw0rd-77"


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "TURN_S", 600.0)


def send(browser: Client, model: Any, data: str | bytes, **more: str) -> Any:
    content = data.encode() if isinstance(data, str) else data
    file = SimpleUploadedFile("a.csv", content)
    return browser.post(address(model, "changelist") + "import/", {"file": file, **more})


def dry_run(browser: Client, model: Any, data: str | bytes) -> BulkAction:
    answer = send(browser, model, data)
    assert answer.status_code == 302, answer.context["problem"]
    bulk = BulkAction.objects.latest("id")
    assert answer.headers["Location"] == address(BulkAction, "change", bulk.pk)
    return bulk


def fates(bulk: BulkAction) -> list[tuple[str, str]]:
    return [(item.state, say(item.message)) for item in bulk.items.order_by("id")]


def carry_out(browser: Client, dry: BulkAction) -> BulkAction:
    browser.post(reverse("admin:bulk_bulkaction_carry_out", args=[dry.pk]))
    bulk = BulkAction.objects.latest("id")
    work.carry_on(bulk.pk)
    bulk.refresh_from_db()
    return bulk


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
    """Give the tables whose rows hold the password as it is."""
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


ROWS = {
    "a number that is none": ("id,description,priority\n,a,many\n", "priority"),
    "a number beyond its bounds": ("id,description,priority\n,a,100\n", "priority"),
    "a number beyond the database": ("id,description,max_sda_count\n,a,99999999999999999999\n", "max_sda_count"),
    "a broken number in the key": ("id,description\nx,a\n", "id"),
    "a choice that is none": ("id,description,access_level\n,a,KING\n", "access_level"),
    "nothing where something is needed": ('[{"description": ""}]', "description"),
    "a text that is too long": (f"id,description\n,{'x' * 513}\n", "description"),
    "an unknown group": ("id,description,groups\n,a,nobody\n", "groups"),
    "a document that is none": ("id,description,env\n,a,{\n", "env"),
    "what the service refuses": ("id,description,max_sda_count,max_duplicates\n,a,2,3\n", "max_duplicates"),
    "an object of another type": ('[{"description": {"a": 1}}]', "description"),
    "too many cells": ("id,description\n,a,b\n", "more cells"),
    "too few cells": ("id,description\nx\n", "fewer cells"),
    "no object": ('[1, {"description": "a"}]', "not an object"),
}


@pytest.mark.parametrize("case", ROWS)
def test_a_row_that_is_refused_names_the_column(browser: Client, case: str) -> None:
    text, names = ROWS[case]
    state, message = fates(dry_run(browser, Token, text))[0]
    assert (state, names in message) == ("FAILED", True), message
    assert not Token.objects.exists()


KOREAN = "name,num_devices,description\n한글,1,설명\n"
ENCODINGS = {
    "UTF-8": KOREAN.encode(),
    "UTF-8 with a mark": KOREAN.encode("utf-8-sig"),
    "CP949": KOREAN.encode("cp949"),
    "EUC-KR": KOREAN.encode("euc-kr"),
    "UTF-16 with a mark": KOREAN.encode("utf-16"),
    "UTF-16, little end first": KOREAN.encode("utf-16-le"),
    "UTF-16, big end first": KOREAN.encode("utf-16-be"),
    "semicolons": KOREAN.replace(",", ";").encode(),
    "tabs and lines of Windows": KOREAN.replace(",", "\t").replace("\n", "\r\n").encode("utf-16"),
    "JSON": json.dumps([{"name": "한글", "num_devices": 1, "description": "설명"}]).encode(),
}


@pytest.mark.parametrize("case", ENCODINGS)
def test_whatever_program_wrote_it(browser: Client, case: str) -> None:
    carry_out(browser, dry_run(browser, SdaModel, ENCODINGS[case]))
    assert list(SdaModel.objects.values_list("name", "description")) == [("한글", "설명")]


def test_a_formula_comes_in_as_the_text_that_it_is(browser: Client) -> None:
    carry_out(browser, dry_run(browser, SdaModel, "name,num_devices,description\na,1,'=1+1\nb,1,=2+2\nc,1,'tis\n"))
    assert sorted(SdaModel.objects.values_list("description", flat=True)) == ["'tis", "=1+1", "=2+2"]


REFUSED = {
    "no file": (None, "Choose a file."),
    "an empty file": (b" \n", "The file is empty."),
    "columns alone": (b"name,num_devices\n", "The file has columns, but no rows."),
    "an unknown column": (b"name,num_devices,colour\na,1,red\n", "These columns are not known. (columns: colour"),
    "no key": (b"num_devices\n1\n", "These columns are needed. (columns: name)"),
    "a column twice": (b"name,num_devices,name\na,1,b\n", "A column is there twice. (columns: name)"),
    "broken CSV": (b'name,num_devices\n"a"b,1\n', "This is not CSV. (line: 2)"),
    "broken JSON": (b'[{"name": }]', "This is not JSON. (line: 1)"),
    "JSON of another shape": (b'{"name": "a"}', "The JSON must be a list of objects."),
    "a picture": (b"\x89PNG\r\n\x1a\n\xff\x00\xff\x81" * 9, "The encoding is not known."),
    "too many rows": (b"name,num_devices\n" + b"a,1\n" * 20_001, "The file has more than 20,000 rows."),
    "a million rows": (b"name,num_devices\n" + b"some-name,1\n" * 1_000_000, "The file is larger than 10 MB."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_refused_says_why(browser: Client, case: str) -> None:
    data, says = REFUSED[case]
    page = address(SdaModel, "changelist") + "import/"
    answer = browser.post(page) if data is None else send(browser, SdaModel, data)
    assert answer.status_code == 200
    assert says in answer.context["problem"]
    assert not BulkAction.objects.exists()


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
