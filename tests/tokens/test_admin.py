"""What the admin does to tokens and their groups: through the services, without letting values out."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from moreh_cloud.accounts.choices import Role
from moreh_cloud.events.models import Event
from tests import make
from tests.admin_world import address, client_of
from tokens.models import Token, TokenGroup
from tokens.services import create_token_group

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
FIELDS = {"priority": 5, "access_level": "USER", "max_sda_count": 1, "max_duplicates": 1, "env": '{"A": "1"}'}


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


def act(browser: Client, row: Token | TokenGroup, action: str, **data: object) -> Any:
    page = reverse(f"admin:tokens_{row._meta.model_name}_{action}", args=[row.pk])
    return browser.post(page, {"agreed": "1", **data})


def test_a_created_token_shows_its_value_once(browser: Client) -> None:
    group = create_token_group(name="team", actor=make.ACTOR)
    answer = browser.post(address(Token, "add"), {"description": "Kim", "groups": [group.pk], **FIELDS})
    token = Token.objects.get(description="Kim")
    assert answer.context["secret"].value == token.value
    assert (token.priority, token.env, list(token.groups.all())) == (5, {"A": "1"}, [group])
    assert token.value not in browser.get(address(Token, "changelist")).content.decode()


def test_a_value_is_shown_only_after_asking_and_an_event_says_so(browser: Client) -> None:
    token = make.token()
    page = reverse("admin:tokens_token_reveal", args=[token.pk])
    assert token.value not in browser.get(page).content.decode()
    assert not Event.objects.filter(action="REVEAL_TOKEN").exists()
    answer = act(browser, token, "reveal")
    assert token.value in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    event = Event.objects.get(action="REVEAL_TOKEN")
    assert (event.token_id, event.referer_protocol) == (token.pk, "admin")


@pytest.mark.parametrize("action", ["reveal", "rotate", "delete"])
def test_a_read_only_operator_never_sees_or_changes_a_value(action: str) -> None:
    token = make.token()
    reader = client_of(Role.READ_ONLY)
    assert act(reader, token, action).status_code == 403
    assert reader.get(reverse(f"admin:tokens_token_{action}", args=[token.pk])).status_code == 403
    assert token.value not in reader.get(address(Token, "change", token.pk)).content.decode()


def test_rotating_replaces_the_value(browser: Client) -> None:
    token = make.token()
    answer = act(browser, token, "rotate")
    new = Token.objects.get(pk=token.pk).value
    assert answer.context["secret"].value == new != token.value
    assert Event.objects.latest("id").action == "ROTATE_TOKEN"


def test_a_token_is_found_by_its_value(browser: Client) -> None:
    token, other = make.token(description="Kim"), make.token(description="Lee")
    shown = browser.get(address(Token, "changelist"), {"q": token.value}).content.decode()
    assert "Kim" in shown
    assert other.description not in shown


def test_changing_a_token_calls_the_services_for_fields_and_groups(browser: Client) -> None:
    old, new = (create_token_group(name=name, actor=make.ACTOR) for name in ("old", "new"))
    token = make.token(groups=[old])
    data = {**FIELDS, "description": token.description, "groups": [new.pk], "priority": 9}
    assert browser.post(address(Token, "change", token.pk), data).status_code == 302
    token.refresh_from_db()
    assert (token.priority, list(token.groups.all())) == (9, [new])
    actions = set(Event.objects.filter(referer_protocol="admin").values_list("action", flat=True))
    assert actions == {"UPDATE_TOKEN", "ADD_TOKEN_TO_GROUP", "REMOVE_TOKEN_FROM_GROUP"}


def test_what_a_service_refuses_is_said_beside_the_field(browser: Client) -> None:
    token = make.token()
    data = {**FIELDS, "description": token.description, "max_duplicates": 3, "max_sda_count": 2}
    answer = browser.post(address(Token, "change", token.pk), data)
    assert list(answer.context["adminform"].form.errors) == ["max_duplicates"]
    token.refresh_from_db()
    assert token.max_sda_count == 1


def test_a_token_with_sdas_is_not_deleted(browser: Client) -> None:
    sda = make.sda()
    answer = act(browser, sda.token, "delete")
    assert "The token still owns SDAs." in browser.get(answer.headers["Location"]).content.decode()
    assert Token.objects.live().filter(pk=sda.token_id).exists()


def test_a_user_group_is_made_changed_and_deleted(browser: Client) -> None:
    browser.post(address(TokenGroup, "add"), {"name": "team", "index": 0})
    group = TokenGroup.objects.get(name="team")
    browser.post(address(TokenGroup, "change", group.pk), {"name": "team", "index": 2, "description": "x"})
    make.token(groups=[group])
    act(browser, group, "delete")
    assert TokenGroup.objects.live().filter(pk=group.pk, index=2).exists()
    act(browser, group, "delete", force="on")
    assert not TokenGroup.objects.live().filter(pk=group.pk).exists()
    assert Event.objects.latest("id").action == "DELETE_USER_GROUP"
