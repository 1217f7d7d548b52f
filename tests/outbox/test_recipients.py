"""Mail servers that are not trusted, and those that refuse recipients, for now or for good."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from alerts.models import Alert
from core.clock import db_now
from outbox import work
from outbox.choices import AttemptResult as R
from outbox.models import Attempt, Delivery, OutgoingMessage
from outbox.sending.recipients import outcome_of_recipients
from outbox.services.again import send_again
from outbox.services.channels import HEALTHY
from tests.make import ACTOR
from tests.outbox.receiver import mailbox, receiving, self_signed
from tests.outbox.world import channel, log, make_due, notes, states

pytestmark = pytest.mark.django_db(transaction=True)


def test_mail_over_tls(settings: Any, tmp_path: Path) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "localhost"
    context, _certificate = self_signed(tmp_path, "localhost")
    settings.EMAIL_USE_SSL = True
    with receiving(context=context) as receiver:
        settings.EMAIL_PORT = receiver.port
        where = channel("", kind="MAIL", recipients=["a@a.com"])
        notes(where, 1)
        work.send_channel(where.pk)
    assert log() == [(1, "UNTRUSTED", None)]


GREY, GONE, AWAY = (451, b"later"), (550, b"no such user"), (421, b"good bye")
WHO: dict[str, tuple[dict[str, tuple[int, bytes]], dict[str, int], tuple[Any, ...]]] = {
    "one for now": ({"b": GREY}, {}, (R.OK, 250, {"a": 250}, True, False, False)),
    "one for good": ({"b": GONE}, {}, (R.OK, 250, {}, False, False, False)),
    "all, for now and for good": ({"a": GONE, "b": GREY}, {}, (R.REFUSED, 451, {"a": 550}, False, False, True)),
    "all for good": ({"a": GONE, "b": GONE}, {}, (R.REFUSED, 550, {}, False, False, True)),
    "who is left, for now": ({"a": GREY, "b": GONE}, {"c": 250}, (R.REFUSED, 451, {"b": 550}, True, True, False)),
    "who is left, for good": ({"a": GONE, "b": GONE}, {"c": 250}, (R.REFUSED, 550, {}, False, True, False)),
    "one and ends the exchange": ({"b": AWAY}, {}, (R.REFUSED, 421, {}, False, False, True)),
}


@pytest.mark.parametrize("case", WHO)
def test_a_mail_server_refuses(case: str) -> None:
    refused, settled, wanted = WHO[case]
    got = outcome_of_recipients(["a", "b"], refused, settled, 9)
    assert (got.result, got.code, got.settled, got.left, got.apart, got.of_channel) == wanted


def test_recipients_who_are_refused_for_now_are_tried_again_alone_and_hold_up_no_others(settings: Any) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1"
    with mailbox() as (box, settings.EMAIL_PORT):
        box.refuse = {"b@a.com": "451 greylisted", "c@a.com": "550 no such user"}
        where = channel("", kind="MAIL", recipients=["a@a.com", "b@a.com", "c@a.com"])
        notes(where, 1, 2, ordering_key="k")
        work.send_channel(where.pk)
        assert (states(), log()) == ({1: "SENT", 2: "SENT"}, [(1, "OK", 250), (1, "OK", 250)])
        assert Attempt.objects.values_list("detail", flat=True)[0] == "refused: b@a.com (451), c@a.com (550)"
        assert OutgoingMessage.objects.values_list("settled", flat=True)[0] == {"a@a.com": 250, "c@a.com": 550}
        make_due()
        work.send_channel(where.pk)
        where.refresh_from_db()
        assert {name: getattr(where, name) for name in HEALTHY} == HEALTHY
        box.refuse = {}
        make_due()
        work.send_channel(where.pk)
        make_due()
        work.send_channel(where.pk)
    assert log()[2:] == [(2, "REFUSED", 451)] * 2 + [(3, "OK", 250)] * 2
    got = Counter((mail["X-RcptTo"], mail["Message-ID"], mail["To"]) for mail in box.mails)
    assert Counter(to for to, _id, _all in got) == {"a@a.com": 2, "b@a.com": 2}
    assert (len({mail for _to, mail, _all in got}), {everybody for _to, _mail, everybody in got}) == (
        2,
        {"a@a.com, b@a.com, c@a.com"},
    )
    assert not OutgoingMessage.objects.filter(next_at__isnull=False).exists()


def test_recipients_who_are_refused_for_a_day_are_reported(settings: Any) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1"
    with mailbox() as (box, settings.EMAIL_PORT):
        box.refuse = {"b@a.com": "452 mailbox full"}
        where = channel("", kind="MAIL", recipients=["a@a.com", "b@a.com"])
        notes(where, 1)
        work.send_channel(where.pk)
        OutgoingMessage.objects.update(give_up_at=db_now())
        work.send_channel(where.pk)
        assert (states(), log()) == ({1: "SENT"}, [(1, "OK", 250)])
        assert Alert.objects.get().text == "Messages to portal could not be delivered: 1 given up"
        send_again(Delivery.objects.get(), actor=ACTOR)
        box.refuse = {}
        work.send_channel(where.pk)
    assert [mail["X-RcptTo"] for mail in box.mails] == ["a@a.com", "a@a.com, b@a.com"]
