"""Administrators: who may change whom, and how the first one is made."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.choices import Role
from accounts.errors import LastMaster
from accounts.models import Operator
from accounts.services.operators import create_operator, delete_operator, update_operator
from alerts.codes import Code
from alerts.models import Alert
from alerts.services import raise_alert
from alerts.subjects import node
from core.errors import DomainError, Duplicate, InvalidParameter
from events.models import Event
from tests import make
from tests.admin_world import address, client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
PASSWORD = "three green birds"
FIELDS = {"username": "lee", "email": "lee@example.com", "role": "GENERAL", "language": "en", "email_verified": "on"}


@pytest.fixture
def browser() -> Client:
    return client_of(Role.MASTER)


def test_a_master_makes_an_operator_who_can_log_in(browser: Client) -> None:
    assert browser.post(address(Operator, "add"), {**FIELDS, "new_password": PASSWORD}).status_code == 302
    visitor = Client()
    answer = visitor.post(reverse("admin:login"), {"username": "lee", "password": PASSWORD})
    assert answer.status_code == 302
    assert visitor.get(reverse("admin:index")).status_code == 200
    event = Event.objects.get(action="CREATE_OPERATOR")
    assert PASSWORD not in str(event.request)


def test_without_a_verified_address_nobody_logs_in(browser: Client) -> None:
    data = {name: value for name, value in FIELDS.items() if name != "email_verified"}
    browser.post(address(Operator, "add"), {**data, "new_password": PASSWORD})
    answer = Client().post(reverse("admin:login"), {"username": "lee", "password": PASSWORD})
    assert answer.status_code == 200


def test_an_empty_password_stays_and_a_new_one_is_hashed(browser: Client) -> None:
    lee = create_operator(actor=make.ACTOR, username="lee", email="l@example.com", password=PASSWORD, role=Role.GENERAL)
    page = address(Operator, "change", lee.pk)
    browser.post(page, {**FIELDS, "is_active": "on", "new_password": ""})
    lee.refresh_from_db()
    assert lee.check_password(PASSWORD)
    assert lee.email == "lee@example.com"
    browser.post(page, {**FIELDS, "is_active": "on", "new_password": "four green birds"})
    lee.refresh_from_db()
    assert lee.check_password("four green birds")


@pytest.mark.parametrize("role", [Role.GENERAL, Role.READ_ONLY])
def test_only_masters_change_or_delete_others(role: Role) -> None:
    lee = make.operator(Role.READ_ONLY)
    other = client_of(role)
    assert other.post(address(Operator, "change", lee.pk), {**FIELDS, "is_active": "on"}).status_code == 403
    assert other.post(reverse("admin:accounts_operator_delete", args=[lee.pk]), {"agreed": "1"}).status_code == 403
    assert Operator.objects.filter(pk=lee.pk, role=Role.READ_ONLY).exists()


def test_a_weak_password_is_said_beside_its_field(browser: Client) -> None:
    answer = browser.post(address(Operator, "add"), {**FIELDS, "new_password": "12345678901"})
    assert list(answer.context["adminform"].form.errors) == ["new_password"]


def test_everybody_changes_their_own_password_with_an_event() -> None:
    reader = client_of(Role.READ_ONLY)
    data = {"old_password": "correct horse", "new_password1": PASSWORD, "new_password2": PASSWORD}
    assert reader.post(reverse("admin:password_change"), data).status_code == 302
    assert reader.get(reverse("admin:index")).status_code == 200
    event = Event.objects.get(action="UPDATE_OPERATOR")
    assert (event.request, event.referer_protocol) == ({"password": "changed"}, "admin")


LAST: dict[str, dict[str, Any]] = {
    "demoted": {"role": Role.GENERAL},
    "deactivated": {"is_active": False},
    "left without a verified address": {"email": "new@example.com"},
}


@pytest.mark.parametrize("case", LAST)
def test_the_last_master_is_not(case: str) -> None:
    master = make.operator(Role.MASTER)
    with pytest.raises(LastMaster):
        update_operator(master, actor=make.ACTOR, **LAST[case])
    master.refresh_from_db()
    assert (master.role, master.is_active, master.may_enter) == (Role.MASTER, True, True)


def test_the_last_master_is_not_deleted_but_another_is() -> None:
    master, second = make.operator(Role.MASTER), make.operator(Role.MASTER)
    delete_operator(second, actor=make.ACTOR)
    with pytest.raises(LastMaster):
        delete_operator(master, actor=make.ACTOR)
    assert list(Operator.objects.all()) == [master]


REFUSED: dict[str, tuple[dict[str, Any], type[DomainError]]] = {
    "a name that is taken": ({"username": "taken"}, Duplicate),
    "no address": ({"email": ""}, InvalidParameter),
    "a word that is no address": ({"email": "lee"}, InvalidParameter),
    "a common password": ({"password": "password123"}, InvalidParameter),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_operator_is_refused_with(case: str) -> None:
    make.operator(username="taken")
    wrong, error = REFUSED[case]
    given = {"username": "lee", "email": "l@example.com", "password": PASSWORD, "role": Role.GENERAL} | wrong
    with pytest.raises(error):
        create_operator(actor=make.ACTOR, **given)
    assert Operator.objects.count() == 1


def command(password: str, monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    monkeypatch.setenv("MOREH_ADMIN_PASSWORD", password)
    out = io.StringIO()
    call_command("create_operator", *words, stdout=out)
    return out.getvalue()


def test_the_command_makes_a_master_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert command(PASSWORD, monkeypatch, "admin") == "admin: created\n"
    before = Event.objects.count()
    assert command(PASSWORD, monkeypatch, "admin") == "admin: unchanged\n"
    assert Event.objects.count() == before
    admin = Operator.objects.get()
    assert (admin.role, admin.may_enter, admin.check_password(PASSWORD)) == (Role.MASTER, True, True)


def test_the_command_gives_another_password_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    command(PASSWORD, monkeypatch, "admin")
    assert command("four green birds", monkeypatch, "admin") == "admin: password changed\n"
    assert Operator.objects.get().check_password("four green birds")


def test_the_command_reads_standard_input_and_names_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOREH_ADMIN_PASSWORD", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    with pytest.raises(CommandError, match="password"):
        call_command("create_operator", "admin")


def test_an_alert_is_acknowledged_in_the_operators_name() -> None:
    raise_alert(Code.NODE_LOST, node(1), node="node-1")
    alert = Alert.objects.get()
    client_of(Role.GENERAL).post(reverse("admin:alerts_alert_acknowledge", args=[alert.pk]), {"agreed": "1"})
    alert.refresh_from_db()
    assert alert.acknowledged_by.startswith("operator-")
    assert Event.objects.latest("id").action == "ACKNOWLEDGE_ALERT"
