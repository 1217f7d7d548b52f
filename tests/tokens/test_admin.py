"""Tokens and user groups in the admin, which reveals values only on request."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.choices import Role
from core.clock import db_now
from events.models import Event
from scheduler.models import Allocation
from sda.models import Sda
from sda.services.models import create_sda_model_group
from tests import make
from tests.admin_world import address, client_of
from tokens.admin.columns import format_hours
from tokens.models import Token, TokenGroup
from tokens.services import create_token_group
from usage.metering import HOUR_MS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
NINE_DAYS_AGO = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=9)
FIELDS = {
    "priority": 5,
    "access_level": "USER",
    "max_sda_count": 1,
    "max_duplicates": 1,
    "env-name": ["A"],
    "env-value": ["1"],
}


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


def test_a_value_is_revealed_only_by_an_action_with_an_event(browser: Client) -> None:
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
def test_a_read_only_operator_cannot_reveal_or_change_a_value(action: str) -> None:
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
    html = browser.get(address(Token, "changelist"), {"q": token.value}).content.decode()
    assert "Kim" in html
    assert other.description not in html


def test_changing_a_token_calls_the_services_for_fields_and_groups(browser: Client) -> None:
    old, new = (create_token_group(name=name, actor=make.ACTOR) for name in ("old", "new"))
    token = make.token(groups=[old])
    data = {**FIELDS, "description": token.description, "groups": [new.pk], "priority": 9}
    assert browser.post(address(Token, "change", token.pk), data).status_code == 302
    token.refresh_from_db()
    assert (token.priority, list(token.groups.all())) == (9, [new])
    actions = set(Event.objects.filter(referer_protocol="admin").values_list("action", flat=True))
    assert actions == {"UPDATE_TOKEN", "ADD_TOKEN_TO_GROUP", "REMOVE_TOKEN_FROM_GROUP"}


def test_what_a_service_refuses_is_an_error_of_its_field(browser: Client) -> None:
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


def test_the_environment_is_edited_line_by_line_and_no_value_reaches_an_event(browser: Client) -> None:
    token = make.token(env={"OLD": "x"})
    lines = {"env-name": ["NCCL_DEBUG", "", "EMPTY"], "env-value": ["INFO=2 ", "", ""]}
    page = address(Token, "change", token.pk)
    assert 'value="OLD"' in browser.get(page).content.decode()
    assert browser.post(page, {**FIELDS, "description": token.description, **lines}).status_code == 302
    token.refresh_from_db()
    assert token.env == {"NCCL_DEBUG": "INFO=2 ", "EMPTY": ""}
    assert Event.objects.get(action="UPDATE_TOKEN").request["env"] == ["EMPTY", "NCCL_DEBUG"]


WRONG: dict[str, tuple[list[str], str]] = {
    "a name with a blank": (["NCCL DEBUG"], "A variable&#x27;s name has 1 to 128 characters, no blank and no =."),
    "a name with an equals sign": (["A=B"], "A variable&#x27;s name has 1 to 128 characters, no blank and no =."),
    "a value without a name": ([""], "A variable&#x27;s name has 1 to 128 characters, no blank and no =."),
    "a name twice": (["A", "A"], "A variable is given twice: A."),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_invalid_variable_is_an_error_of_its_field(browser: Client, case: str) -> None:
    token = make.token(env={"KEPT": "1"})
    names, message = WRONG[case]
    data = {**FIELDS, "description": token.description, "env-name": names, "env-value": ["v"] * len(names)}
    answer = browser.post(address(Token, "change", token.pk), data)
    assert list(answer.context["adminform"].form.errors) == ["env"]
    assert message in answer.content.decode()
    token.refresh_from_db()
    assert token.env == {"KEPT": "1"}


def test_the_list_shows_sdas_with_their_states_and_the_use(browser: Client) -> None:
    node = make.ready_backend(2)
    job = make.running_job(node)
    token = job.token
    Allocation.objects.filter(job=job).update(started_at=db_now() - timedelta(hours=3))
    long_ago = {"started_at": NINE_DAYS_AGO, "ended_at": NINE_DAYS_AGO + timedelta(hours=2)}
    Allocation.objects.create(sda=job.sda, token=token, device=node.devices.get(index=1), **long_ago)
    row = browser.get(address(Token, "changelist")).context["cl"].result_list[0]
    assert [(one.sda, one.in_use, one.sda.current) for one in row.figures.owned] == [(job.sda, True, True)]
    week, total = row.figures.device_ms[1] / HOUR_MS, row.figures.device_ms[-1] / HOUR_MS
    assert (round(week, 1), round(total, 1)) == (3.0, 5.0)


def test_values_are_copied_only_by_who_may_see_them(browser: Client) -> None:
    token = make.token()
    for page in (address(Token, "changelist"), address(Token, "change", token.pk)):
        assert 'data-secret="copy"' in browser.get(page).content.decode()
        assert "data-secret" not in client_of(Role.READ_ONLY).get(page).content.decode()


def test_an_sda_is_added_from_the_page_of_its_token(browser: Client) -> None:
    token, model = make.token(), make.sda_model()
    closed = make.sda_model(name="closed")
    create_sda_model_group(name="g", backend_group=make.default_group(), models=[closed], actor=make.ACTOR)
    go = browser.get(reverse("admin:tokens_token_add_sda", args=[token.pk])).headers["Location"]
    html = browser.get(go).content.decode()
    assert model.name in html
    assert ">closed<" not in html
    answer = browser.post(go, {"token": token.pk, "model": model.pk, "alias": "a"})
    assert answer.headers["Location"] == address(Token, "change", token.pk)
    assert Sda.objects.get().token == token


@pytest.mark.parametrize(
    ("device_ms", "shown"),
    [(0, "0.0"), (104_400, "0.029"), (100, "< 0.0001"), (360_000, "0.1"), (3_600_000 * 1234, "1,234.0")],
)
def test_use_that_is_there_is_never_0(device_ms: int, shown: str) -> None:
    assert format_hours(device_ms) == shown
