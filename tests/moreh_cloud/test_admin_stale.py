"""A page that was opened before somebody else's change and is saved after it: every field of every form of rows."""

from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.messages import get_messages
from django.db.models import Model
from django.test import Client

from accounts.choices import Role
from accounts.models import Operator
from backends.models import Bmc
from core.clock import db_now
from tests import make
from tests.admin_world import address, client_of, nouns
from tests.moreh_cloud.stale_rows import MADE
from tests.moreh_cloud.test_admin_unchanged import Fields
from tokens.models import Token, TokenGroup
from tokens.services import create_token_group

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
NEVER_SHOWN = {"new_password", "bmc_user", "bmc_password", "new_url", "new_secret"}
UNCHANGED = ["Nothing changed: it was like this already."]

# By field: what somebody else stores, what is typed on the page that is open meanwhile, and how the page says theirs
# where that is not its text. Where only one other value exists, nothing else can be typed.


def _store(row: Any, field: str, value: Any) -> None:
    """Store what somebody else chose."""
    if isinstance(value, list):
        getattr(row, field).set(value)
    elif field.startswith("bmc_"):
        Bmc.objects.filter(backend=row).update(**{field.removeprefix("bmc_"): value})
    elif field == "email_verified":
        Operator.objects.filter(pk=row.pk).update(email_verified_at=None)
    else:
        type(row)._default_manager.filter(pk=row.pk).update(**{field: value})


def _sent(page: str) -> dict[str, list[str]]:
    """Return what a browser sends of a page, without what each page has anew."""
    data: dict[str, list[str]] = {}
    for name, value in Fields(page).sent:
        if name != "csrfmiddlewaretoken":
            data.setdefault(name, []).append(value)
    return data


def _typed(data: dict[str, list[str]], field: str, value: Any) -> dict[str, list[str]]:
    """Return a form in which one field was changed, a set by taking out what it has."""
    name = f"{field}-value" if field == "env" else field
    text = str(getattr(value, "pk", value))
    return {**data, name: [text, *data[name][1:]] if field == "env" else [text]}


def _open(browser: Client, row: Model) -> dict[str, list[str]]:
    return _sent(browser.get(address(type(row), "change", row.pk)).content.decode())


def test_the_table_has_every_form() -> None:
    assert {model for model in nouns() if site._registry[model].update_row} == set(MADE)  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", MADE, ids=lambda model: model.__name__)
def test_a_page_that_was_open_meanwhile(model: type[Model]) -> None:
    browser = client_of(Role.MASTER)
    row, case = MADE[model]()
    page = address(model, "change", row.pk)
    old = _open(browser, row)
    form = browser.get(page).context["adminform"].form
    assert set(form.fields) - NEVER_SHOWN == set(case)
    case = {field: values for field, values in case.items() if values}
    for field, (theirs, *_) in case.items():
        _store(row, field, theirs)
    now = _open(browser, row)
    assert {name for name in now if name != "shown" and now[name] != old.get(name)}

    untouched = browser.post(page, old)
    assert (untouched.status_code, [str(one) for one in get_messages(untouched.wsgi_request)]) == (302, UNCHANGED)
    assert _open(browser, row) == now

    sets = {field for field, (theirs, *_) in case.items() if isinstance(theirs, list)}
    for field, (theirs, mine, *text) in case.items():
        if mine is None or field in sets:
            continue
        refused = browser.post(page, _typed(old, field, mine))
        said = f"This was changed meanwhile: it is {text[0] if text else theirs} now. Save again to overwrite it."
        assert refused.status_code == 200, field
        assert refused.context["adminform"].form.errors == {field: [said]}, field
        again = _sent(refused.content.decode())
        assert again == {**_typed(now, field, mine), "shown": now["shown"]}, field  # the other fields show what is
    assert _open(browser, row) == now

    for field in sets:  # what was taken out goes, what was added stays with what somebody else added
        theirs, mine = case[field][:2]
        assert browser.post(page, _typed(old, field, mine)).status_code == 302
        assert set(getattr(row, field).all()) == {*theirs, mine}


def test_saving_again_overwrites_knowingly() -> None:
    browser, token = client_of(Role.MASTER), make.token()
    page, old = address(Token, "change", token.pk), _open(browser, token)
    Token.objects.filter(pk=token.pk).update(priority=9, max_devices=7)
    refused = browser.post(page, _typed(old, "priority", -9))
    assert browser.post(page, _sent(refused.content.decode())).status_code == 302
    token.refresh_from_db()
    assert (token.priority, token.max_devices) == (-9, 7)


@pytest.mark.parametrize("shown", ["", "[]", "{", "7", '{"priority": 7, "groups": "x"}'])
def test_a_form_whose_snapshot_cannot_be_read_is_refused_once(shown: str) -> None:
    browser, token = client_of(Role.MASTER), make.token()
    page, old = address(Token, "change", token.pk), _open(browser, token)
    refused = browser.post(page, {**_typed(old, "priority", 9), "shown": [shown]})
    assert list(refused.context["adminform"].form.errors) == ["priority"]
    token.refresh_from_db()
    assert token.priority == 0


def test_a_group_that_was_deleted_meanwhile_is_in_nobodys_way() -> None:
    browser = client_of(Role.MASTER)
    token, group = make.token(), create_token_group(name="g", actor=make.ACTOR)
    token.groups.set([group])
    old = _open(browser, token)
    token.groups.clear()
    TokenGroup.objects.filter(pk=group.pk).update(deleted_at=db_now())
    answer = browser.post(address(Token, "change", token.pk), _typed(old, "description", "mine"))
    token.refresh_from_db()
    assert (answer.status_code, token.description, token.groups.count()) == (302, "mine", 0)


def test_what_a_form_carries_tells_no_value() -> None:
    token = make.token(env={"PASSWORD": "s3cret-7"})
    (shown,) = _open(client_of(Role.MASTER), token)["shown"]
    assert "s3cret" not in shown
    assert "PASSWORD" not in shown
