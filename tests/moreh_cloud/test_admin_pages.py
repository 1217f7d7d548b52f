"""Every page of the admin, as each role."""

import pytest
from django.contrib.admin import site
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.messages import get_messages
from django.db.models import DateTimeField, Model
from django.test import Client
from django.urls import reverse

from accounts.choices import Role
from accounts.models import Operator
from backends.models import Backend, BackendGroup, EnrolmentKey
from billing.models import Budget, Price
from inventory.models import CustomField, Tag
from notifications.models import Rule, Silence
from outbox.models import Channel
from sda.models import Membership, Sda, SdaModel, SdaModelGroup
from subscriptions.models import Subscription
from tests.admin_world import BMC_PASSWORD, BMC_USER, address, client_of, nouns, populate
from tokens.models import Token, TokenGroup

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]

CREATABLE = {
    Backend, BackendGroup, Budget, Channel, CustomField, EnrolmentKey, Membership, Operator, Price, Rule, Sda,
    SdaModel, SdaModelGroup, Silence, Subscription, Tag, Token, TokenGroup,
}  # fmt: skip
ONLY_MASTERS_CREATE = {Operator}


@pytest.mark.parametrize("role", Role)
def test_every_list_and_every_row_opens(role: Role) -> None:
    populate()
    browser = client_of(role)
    for model in nouns():
        assert browser.get(address(model, "changelist")).status_code == 200, model
        row = model._default_manager.first()
        assert row is not None, model
        assert browser.get(address(model, "change", row.pk)).status_code == 200, model


@pytest.mark.parametrize("role", Role)
def test_only_what_has_a_service_can_be_added_and_only_by_who_may(role: Role) -> None:
    browser = client_of(role)
    for model in nouns():
        allowed = model in CREATABLE and _may_create(role, model)
        wanted = 200 if allowed else 403
        assert browser.get(address(model, "add")).status_code == wanted, (role, model)


def _may_create(role: Role, model: type[Model]) -> bool:
    return role == Role.MASTER or (role == Role.GENERAL and model not in ONLY_MASTERS_CREATE)


@pytest.mark.parametrize("role", Role)
def test_nothing_can_be_removed_past_the_services(role: Role) -> None:
    populate()
    browser = client_of(role)
    for model in nouns():
        row = model._default_manager.first()
        assert row is not None
        answer = browser.post(address(model, "delete", row.pk), {"post": "yes"})
        assert answer.status_code == 403 or b'name="agreed"' in answer.content, model
        assert model._default_manager.filter(pk=row.pk).exists(), model


def test_an_action_whose_rows_are_gone_leads_back_and_says_so() -> None:
    browser, seen = client_of(Role.MASTER), 0
    for model in nouns():
        page = address(model, "changelist")
        for name in getattr(site._registry[model], "actions", ()):
            gone = "1971-01-01 00:00:00+00:00" if isinstance(model._meta.pk, DateTimeField) else "987654"
            data = {"action": name, ACTION_CHECKBOX_NAME: gone, "key": f"{model}{name}"}
            for confirmed in ({}, {"agreed": "0", "selection": ""}, {"agreed": "3", "selection": "x"}):
                browser.cookies.pop("messages", None)
                answer = browser.post(page, {**data, **confirmed})
                assert (answer.status_code, answer.headers.get("Location")) == (302, page), (model, name, confirmed)
                messages = [str(message) for message in get_messages(answer.wsgi_request)]
                assert messages == ["None of these rows is left. Nothing was changed."], (model, name)
            seen += 1
    assert seen > 20


def test_no_page_shows_a_secret() -> None:
    populate()
    browser = client_of(Role.MASTER)
    secrets = [BMC_PASSWORD, BMC_USER, *(token.value for token in Token.objects.all())]
    secrets += [backend.key_digest for backend in Backend.objects.all()]
    secrets += [operator.password for operator in Operator.objects.all()]
    pages = [reverse("admin:index")]
    for model in nouns():
        pages += [
            address(model, "changelist"),
            *(address(model, "change", row.pk) for row in model._default_manager.all()),
        ]
    for page in pages:
        shown = browser.get(page).content.decode()
        assert not [secret for secret in secrets if secret in shown], page


def test_a_stranger_sees_only_the_login_page() -> None:
    answer = Client().get(reverse("admin:index"))
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/login/?next=/admin/")


@pytest.mark.parametrize("lack", ["is_active", "is_staff", "email_verified_at"])
def test_who_may_not_enter_is_kept_out_even_with_a_session(lack: str) -> None:
    browser = client_of(Role.MASTER)
    Operator.objects.update(**{lack: None if lack == "email_verified_at" else False})
    assert browser.get(reverse("admin:index")).status_code == 302
