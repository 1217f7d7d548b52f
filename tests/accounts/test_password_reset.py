"""A forgotten password: a mail with a link, and the same answer to everybody."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts import work
from accounts.choices import Role
from accounts.models import Mail, Operator
from accounts.services.operators import create_operator
from core.clock import db_now
from tests import make
from tests.accounts.links import ENDED, PASSWORD, TWICE, ask, can_log_in, link_in_the_last_mail
from tests.admin_world import client_of
from tests.api import V2

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


def test_a_forgotten_password() -> None:
    lee = create_operator(
        username="lee", email="Lee@example.com", password="four green birds", role=Role.GENERAL, actor=make.ACTOR
    )
    inside = Client()
    inside.force_login(lee)
    for _ in range(6):
        can_log_in("lee", "wrong")
    assert "the mail is on its way" in ask("lee@EXAMPLE.com").content.decode()
    link = link_in_the_last_mail()
    assert "choose a new password" in str(mail.outbox[-1].subject)
    Client().post(link, TWICE)
    assert can_log_in("lee", PASSWORD)  # the lock-out is over as well
    assert inside.get(reverse("admin:index")).status_code == 302  # sessions with the old password are over
    assert ENDED in Client().post(link, TWICE, follow=True).content.decode()


NOBODY: dict[str, dict[str, Any]] = {
    "nobody": {},
    "somebody who may not enter": {"email_verified_at": None},
    "somebody who was deactivated": {"is_active": False},
}


@pytest.mark.parametrize("case", NOBODY)
def test_the_answer_is_the_same_for(case: str) -> None:
    lee = make.operator()
    Operator.objects.filter(pk=lee.pk).update(email="lee@example.com")
    known = ask("lee@example.com")
    Mail.objects.all().delete()
    Operator.objects.filter(pk=lee.pk).update(**NOBODY[case])
    unknown = ask("nobody@example.com" if case == "nobody" else "lee@example.com")
    strip = re.compile(r'value="[^"]{64}"|nonce="[^"]+"')
    assert strip.sub("", known.content.decode()) == strip.sub("", unknown.content.decode())
    assert Mail.objects.count() == 0


def test_nobodys_mailbox_is_filled() -> None:
    lee = make.operator()
    Operator.objects.filter(pk=lee.pk).update(email="lee@example.com")
    for _ in range(2):
        ask("lee@example.com")
    assert Mail.objects.count() == 1
    work.send_waiting()
    ask("lee@example.com")
    assert Mail.objects.count() == 1
    Mail.objects.update(sent_at=db_now() - timedelta(seconds=61))
    ask("lee@example.com")
    assert Mail.objects.count() == 2


def test_one_address_asks_only_so_often() -> None:
    codes = [ask(f"{n}@example.com").status_code for n in range(8)]
    assert codes[:5] == [200] * 5
    assert 429 in codes  # at a twelfth of a request a second
    assert ask("7@example.com", REMOTE_ADDR="198.51.100.7").status_code == 200


def test_links_do_not_follow_a_forged_host() -> None:
    lee = make.operator()
    Operator.objects.filter(pk=lee.pk).update(email="lee@example.com")
    ask("lee@example.com", headers={"host": "localhost", "x-forwarded-host": "evil.example"})
    link_in_the_last_mail()
    assert "http://127.0.0.1:8000/accounts/password/?key=" in str(mail.outbox[-1].body)


def test_the_login_page_leads_to_a_new_password() -> None:
    assert 'href="/accounts/reset/"' in Client().get(reverse("admin:login")).content.decode()


@pytest.mark.parametrize("operator", [True, False])
def test_the_pages_open_for_everybody(operator: bool) -> None:
    browser = client_of(Role.READ_ONLY) if operator else Client()
    assert browser.get(reverse("admin_password_reset")).status_code == 200
    assert browser.get(f"{V2}/auth/tokens").status_code == (200 if operator else 401)


KOREAN = {"/accounts/reset/": ("새 비밀번호 정하기", "메일 보내기"), "/admin/login/": ("로그인",)}


@pytest.mark.parametrize("page", KOREAN)
def test_pages_speak_korean(page: str) -> None:
    shown = Client(headers={"accept-language": "ko"}).get(page).content.decode()
    assert [word for word in KOREAN[page] if word not in shown] == []
