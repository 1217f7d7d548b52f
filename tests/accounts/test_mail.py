"""Mails with links: an invitation and another address. A link works once and for one thing."""

import stat
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts import work
from accounts.choices import Letter, Role
from accounts.login.links import make_link
from accounts.models import Mail, Operator
from accounts.services.operators import update_operator
from core.clock import db_now
from events.models import Event
from tests import make
from tests.accounts.links import ENDED, PASSWORD, TWICE, can_log_in, invited, link_in_the_last_mail
from tests.admin_world import address, client_of
from tests.api import events

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


def test_who_is_invited_chooses_a_password_and_comes_in() -> None:
    lee = invited()
    link = link_in_the_last_mail()
    assert (mail.outbox[0].to, len(mail.outbox)) == (["lee@example.com"], 1)
    browser = Client()
    assert browser.get(link).status_code == 200
    lee.refresh_from_db()
    assert lee.email_verified_at is None  # looking at it does nothing: programs that read mails look too
    answer = browser.post(link, TWICE, follow=True)
    assert "The address is verified. Log in now." in answer.content.decode()
    assert can_log_in("lee", PASSWORD)
    event = Event.objects.get(action="UPDATE_OPERATOR")
    assert (event.actor, event.referer_protocol, event.referer_ip) == ("lee", "mail", "127.0.0.1")
    assert event.request == {"password": "changed", "email_verified": True}


def test_the_link_works_once() -> None:
    invited()
    link = link_in_the_last_mail()
    Client().post(link, TWICE)
    for answer in (Client().get(link, follow=True), Client().post(link, {"password": "x", "again": "x"}, follow=True)):
        assert ENDED in answer.content.decode()
    assert can_log_in("lee", PASSWORD)


def test_a_master_invites_in_the_admin() -> None:
    fields = {"username": "lee", "email": "lee@example.com", "role": "READ_ONLY", "language": "ko"}
    assert client_of(Role.MASTER).post(address(Operator, "add"), fields).status_code == 302
    link = link_in_the_last_mail()
    assert "이메일 주소를 확인해 주세요" in str(mail.outbox[-1].subject)
    assert "비밀번호를 정해 주세요" in str(mail.outbox[-1].body)
    Client().post(link, TWICE)
    assert can_log_in("lee", PASSWORD)


def test_another_address_must_be_verified_again_and_the_password_stays() -> None:
    lee = make.operator(Role.GENERAL)
    assert can_log_in(lee.username, "correct horse")
    update_operator(lee, actor=make.ACTOR, email="new@example.com")
    assert not can_log_in(lee.username, "correct horse")
    link = link_in_the_last_mail()
    assert mail.outbox[-1].to == ["new@example.com"]
    page = Client().get(link).content.decode()
    assert 'type="password"' not in page
    Client().post(link)
    assert can_log_in(lee.username, "correct horse")


def test_a_link_to_an_older_address_is_over() -> None:
    lee = make.operator(Role.GENERAL)
    update_operator(lee, actor=make.ACTOR, email="first@example.com")
    link = link_in_the_last_mail()
    update_operator(lee, actor=make.ACTOR, email="second@example.com")
    assert ENDED in Client().get(link, follow=True).content.decode()
    lee.refresh_from_db()
    assert lee.email_verified_at is None


def test_a_link_ends_in_time(settings: Any) -> None:
    lee = invited()
    link = make_link(Letter.VERIFY, lee).removeprefix(settings.MOREH_PUBLIC_URL)
    assert Client().get(link).status_code == 200
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert ENDED in Client().get(link, follow=True).content.decode()


def test_a_link_is_for_one_thing_and_one_operator() -> None:
    lee, kim = invited(), invited(username="kim", email="kim@example.com")
    key = make_link(Letter.VERIFY, lee).partition("key=")[2]
    seal = key.partition(".")[2]
    wrong = [("choose_password", key), ("verify_email", f"{kim.pk}.{seal}"), ("verify_email", f"{lee.pk}.{seal}0")]
    wrong += [("verify_email", bad) for bad in ("", "x", f"{lee.pk}", f"{lee.pk}.", "9" * 30 + f".{seal}", f"²{key}")]
    for page, bad in wrong:
        assert Client().get(reverse(page), {"key": bad}).status_code == 302, bad
    lee.is_active = False
    lee.save()
    assert Client().get(reverse("verify_email"), {"key": key}).status_code == 302


WEAK = {
    "too short": ({"password": "short", "again": "short"}, "at least 10 characters"),
    "only digits": ({"password": "8127398123", "again": "8127398123"}, "entirely numeric"),
    "two that differ": ({"password": PASSWORD, "again": PASSWORD + "s"}, "The two passwords are not the same."),
    "none": ({}, "This field is required."),
}


@pytest.mark.parametrize("case", WEAK)
def test_a_password_is_refused_that_is(case: str) -> None:
    lee = invited()
    typed, said = WEAK[case]
    answer = Client().post(link_in_the_last_mail(), typed)
    assert said in answer.content.decode()
    lee.refresh_from_db()
    assert (lee.has_usable_password(), lee.email_verified_at) == (False, None)


def test_a_mail_is_sent_again_on_demand_and_not_to_the_verified() -> None:
    lee = invited()
    work.send_waiting()
    page = client_of(Role.MASTER)
    page.post(reverse("admin:accounts_operator_invite", args=[lee.pk]), {"agreed": "1"})
    Client().post(link_in_the_last_mail(), TWICE)
    assert len(mail.outbox) == 2
    answer = page.post(reverse("admin:accounts_operator_invite", args=[lee.pk]), {"agreed": "1"}, follow=True)
    assert "verified already" in answer.content.decode()
    work.send_waiting()
    assert len(mail.outbox) == 2
    assert events("INVITE_OPERATOR") == [(f"operator/{lee.pk}", {"email": "lee@example.com"})]


def test_a_mail_that_nobody_needs_any_more_is_not_sent() -> None:
    update_operator(invited(), actor=make.ACTOR, email_verified=True)
    work.send_waiting()
    assert (len(mail.outbox), Mail.objects.count()) == (0, 0)


def test_a_mail_server_that_is_away_loses_nothing(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    invited()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    work.send_waiting()
    work.send_waiting()  # too soon for another try
    assert Mail.objects.values_list("tries", "sent_at").get() == (1, None)
    log = caplog.text
    assert "mail_not_sent" in log
    assert "key=" not in log
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    Mail.objects.update(tried_at=db_now() - timedelta(seconds=51))
    work.send_waiting()
    assert len(mail.outbox) == 1
    work.send_waiting()
    assert len(mail.outbox) == 1


def test_without_a_mail_server_mails_are_private_files(settings: Any, tmp_path: Path) -> None:
    invited(language="ko")
    settings.EMAIL_BACKEND = "moreh_cloud.mailbox.PrivateFiles"
    settings.EMAIL_FILE_PATH = tmp_path / "data" / "mail"
    work.send_waiting()
    (file,) = settings.EMAIL_FILE_PATH.iterdir()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file)] == [0o700, 0o600]
    kept = message_from_bytes(file.read_bytes(), policy=default)
    assert kept["To"] == "lee@example.com"
    assert "/accounts/verify/?key=" in kept.get_content()


def test_no_link_reaches_a_log_or_an_event(capfd: pytest.CaptureFixture[str]) -> None:
    invited()
    link = link_in_the_last_mail()
    key = link.partition("key=")[2]
    Client(enforce_csrf_checks=True).post(link, TWICE)
    Client().get(link.replace("/verify/", "/nowhere/"))
    Client().put(link)
    Client().post(link, TWICE)
    log = capfd.readouterr()
    assert key.partition(".")[2] not in f"{log.out}{log.err}{list(Event.objects.values())}{list(Mail.objects.values())}"


def test_the_page_of_an_invitation_speaks_korean() -> None:
    invited()
    browser = Client(headers={"accept-language": "ko"})
    link = link_in_the_last_mail()
    assert "새 비밀번호 확인" in browser.get(link).content.decode()
    assert "두 비밀번호가 서로 다릅니다." in browser.post(link, {**TWICE, "again": "x"}).content.decode()
