"""The page that says who may use what: what it shows, what it asks, who may change it, and what it costs."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.choices import Role
from backends.services.groups import create_backend_group
from sda.models import SdaModelGroup
from sda.services.models import create_membership, create_sda_model_group
from tests import api, make
from tests.admin_world import client_of
from tokens.models import Token, TokenGroup
from tokens.services import create_token_group

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
PAGE = "/admin/console/access/"


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


def gold_groups(name: str = "gold") -> tuple[TokenGroup, SdaModelGroup, Token]:
    """Make a team of one token that may use a model of one device on nodes of its own."""
    nodes = create_backend_group(name=f"{name} nodes", actor=make.ACTOR)
    model = make.sda_model(name=f"{name} model")
    group = create_sda_model_group(name=name, backend_group=nodes, models=[model], actor=make.ACTOR)
    token = make.token(description=f"{name} customer")
    team = create_token_group(name=f"{name} team", tokens=[token], actor=make.ACTOR)
    create_membership(team, group, actor=make.ACTOR)
    return team, group, token


def ask(browser: Client, kind: str, a: int, b: int) -> Any:
    return browser.get(f"{reverse('console:access-question')}?kind={kind}&a={a}&b={b}")


def test_the_picture_joins_the_three_kinds_of_groups(browser: Client) -> None:
    team, group, _token = gold_groups()
    shown = browser.get(PAGE).content.decode()
    assert f'data-key="u{team.pk}" data-to="g{group.pk}"' in shown
    assert f'data-key="g{group.pk}" data-to="b{group.backend_group_id}"' in shown
    assert "<small>1 token</small>" in shown


def test_a_token_sees_its_paths_and_the_open_models(browser: Client) -> None:
    _team, _group, token = gold_groups()
    make.sda_model(2, name="free model")
    paths = browser.get(PAGE, {"token": token.pk}).context["paths"]
    assert [(path.model, path.devices, path.user_group, path.model_group, path.node_group) for path in paths] == [
        ("gold model", 1, "gold team", "gold", "gold nodes"),
        ("free model", 2, "", "", "default_backend_group"),
    ]


@pytest.mark.parametrize("token", ["", "x", "999999", "9" * 30])
def test_a_token_that_is_not_there_is_left_out(browser: Client, token: str) -> None:
    assert browser.get(PAGE, {"token": token}).context["token"] is None


def test_the_preview_counts_the_tokens_that_lose_rights(browser: Client) -> None:
    team, group, token = gold_groups()
    assert ask(browser, "membership", team.pk, group.pk).json() == {
        "tokens": 1,
        "says": "Tokens that lose something: 1",
        "losses": ["gold model on gold nodes (tokens: 1)"],
    }
    assert ask(browser, "token", token.pk, team.pk).json()["tokens"] == 1
    assert ask(browser, "move", group.pk, 0).json()["losses"] == ["gold model on gold nodes (tokens: 1)"]


def test_the_first_group_of_an_open_model_takes_it_from_everybody_else(browser: Client) -> None:
    _team, group, _token = gold_groups()
    make.token()
    free = make.sda_model(name="free")
    effect = ask(browser, "model-in", free.pk, group.pk).json()
    assert (effect["tokens"], effect["losses"]) == (2, ["free on default_backend_group (tokens: 2)"])


def test_the_preview_speaks_korean(browser: Client) -> None:
    team, group, _token = gold_groups()
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "ko"
    assert ask(browser, "membership", team.pk, group.pk).json()["losses"] == ["gold nodes의 gold model (토큰 1개)"]


@pytest.mark.parametrize(
    "wrong", [{"kind": "drop", "a": "1", "b": "1"}, {"kind": "move"}, {"kind": "token", "a": "9", "b": "1"}]
)
def test_a_question_that_makes_no_sense_is_not_answered(browser: Client, wrong: dict[str, str]) -> None:
    assert browser.get(reverse("console:access-question"), wrong).status_code == 404


def test_tokens_are_found_by_a_part_of_their_description_never_by_value(browser: Client) -> None:
    token = make.token(description="Kim and daughters")
    second, first = make.token(description="Big Kim"), token
    address = reverse("console:access-tokens")
    found = browser.get(address, {"q": "kim"}).json()["tokens"]
    assert [one["id"] for one in found] == [first.pk, second.pk]
    assert browser.get(address, {"q": token.value[:12]}).json() == {"tokens": []}
    assert browser.get(address).json() == {"tokens": []}


def test_a_read_only_operator_sees_everything_and_no_button() -> None:
    _team, _group, token = gold_groups()
    shown = client_of(Role.READ_ONLY).get(PAGE, {"token": token.pk}).content.decode()
    assert "gold team" in shown
    assert "data-writes" not in shown
    assert "data-do=" not in shown
    assert "data-form" not in shown


def test_a_token_is_put_into_a_group_by_its_number() -> None:
    team, _group, _token = gold_groups()
    newcomer = make.token()
    given = {"tokenId": newcomer.pk, "group": team.pk}
    client = api.client()
    api.done(client.post(f"{api.V2}/token/grouping", given, format="json"))
    assert list(newcomer.groups.all()) == [team]
    api.done(client.delete(f"{api.V2}/token/grouping", given, format="json"))
    assert list(newcomer.groups.all()) == []
    both = {**given, "token": newcomer.value}
    for wrong in (both, {"group": team.pk}):
        answer = client.post(f"{api.V2}/token/grouping", wrong, format="json")
        assert api.refused(answer) == (400, "INVALID_PARAMETER", ["token"])
    readers = api.client(Role.READ_ONLY)
    assert readers.post(f"{api.V2}/token/grouping", given, format="json").status_code == 403


def test_the_queries_do_not_grow_with_the_groups(browser: Client) -> None:
    _team, _group, token = gold_groups("first")
    for _ in range(4):
        gold_groups(f"w{Token.objects.count()}")
    few = queries(browser, token)
    for _ in range(45):
        gold_groups(f"w{Token.objects.count()}")
    assert queries(browser, token) == few == (15, 11)


def queries(browser: Client, token: Token) -> tuple[int, int]:
    team = token.groups.get()
    with CaptureQueriesContext(connection) as page:
        assert browser.get(PAGE, {"token": token.pk}).status_code == 200
    with CaptureQueriesContext(connection) as question:
        assert ask(browser, "membership", team.pk, team.memberships.get().model_group_id).status_code == 200
    return len(page), len(question)
