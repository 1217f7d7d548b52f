"""Channels, deliveries and the delivery log over REST."""

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.choices import Role
from core.api.times import iso
from core.clock import db_now
from events.models import Event
from outbox import work
from outbox.models import Channel, OutgoingMessage
from outbox.sending.signature import key_of, new_webhook_secret
from outbox.services.channels import forget_old_secrets
from outbox.services.sending import outgoing_of
from tests.api import V2, client, done, events, refused
from tests.outbox.receiver import HttpReceiver, answers, receiving
from tests.outbox.world import channel, notes

pytestmark = pytest.mark.django_db(transaction=True)
CHANNEL, DELIVERY, ATTEMPT = f"{V2}/outbox/channel", f"{V2}/outbox/delivery", f"{V2}/outbox/attempt"
SLACK = "https://hooks.slack.example.com/services/T0/B0/path-is-secret"


@pytest.fixture
def api() -> APIClient:
    return client()


def test_channels_are_made_listed_changed_and_deleted(api: APIClient) -> None:
    made = done(api.post(CHANNEL, {"name": "ops", "kind": "mail", "recipients": "a@example.com,b@example.com"}))
    assert made == {
        "id": made["id"],
        "name": "ops",
        "kind": "MAIL",
        "url": "",
        "recipients": ["a@example.com", "b@example.com"],
        "language": "en",
        "enabled": True,
        "failures": 0,
        "failingSince": None,
        "nextAt": None,
        "state": "UNTRIED",
        "lastResult": None,
        "lastAttemptAt": None,
        "oldSecretUntil": None,
        "secret": "",
    }
    made.pop("secret")
    changed = done(api.put(CHANNEL, {"id": made["id"], "language": "ko", "enabled": False}))
    assert api.get(CHANNEL).json() == [changed] == [{**made, "language": "ko", "enabled": False, "state": "OFF"}]
    done(api.delete(CHANNEL, {"id": made["id"]}))
    assert api.get(CHANNEL).json() == []
    subject = f"channel/{made['id']}"
    assert events("UPDATE_CHANNEL") == [(subject, {"language": "ko", "enabled": False})]
    assert events("DELETE_CHANNEL") == [(subject, {"name": "ops", "canceled": 0, "force": False})]


def test_a_secret_is_shown_once_and_an_address_never(api: APIClient) -> None:
    made = done(
        api.post(CHANNEL, {"name": "portal", "kind": "WEBHOOK", "url": "https://p.example.com/in?key=hidden-1"})
    )
    secret = made.pop("secret")
    assert key_of(secret)
    assert made["url"] == "https://p.example.com/***"
    renewed = done(api.post(f"{CHANNEL}/secret", {"id": made["id"]}))
    assert key_of(renewed["secret"])
    assert renewed["secret"] != secret
    done(api.post(CHANNEL, {"name": "slack", "kind": "SLACK", "url": SLACK}))
    row = Channel.objects.get(pk=made["id"])
    assert (row.secret, row.url) == (renewed["secret"], "https://p.example.com/in?key=hidden-1")
    assert row.old_secret == secret
    told = [api.get(CHANNEL).json(), *Event.objects.values("request", "subject")]
    rows = Channel.objects.raw(
        "SELECT id, CAST(url AS text) || CAST(secret AS text) || CAST(old_secret AS text) AS name FROM outbox_channel"
    )
    stored = str(list(rows))
    for hidden in ("hidden-1", "path-is-secret", secret, renewed["secret"]):
        assert hidden not in str(told)
        assert hidden not in stored


def test_an_old_secret_signs_for_as_long_as_was_said(api: APIClient) -> None:
    made = done(api.post(CHANNEL, {"name": "portal", "kind": "WEBHOOK", "url": "https://p.example.com/in"}))

    def olds() -> list[str]:
        row = Channel.objects.get()
        return [row.old_secret, outgoing_of(row, OutgoingMessage(content="{}", created_at=db_now())).old_secret]

    second = done(api.post(f"{CHANNEL}/secret", {"id": made["id"], "keepHours": 2}))["secret"]
    assert olds() == [made["secret"], made["secret"]]
    until = Channel.objects.get().old_secret_until
    assert until
    assert timedelta(minutes=119) < until - db_now() <= timedelta(hours=2)
    assert api.get(CHANNEL).json()[0]["oldSecretUntil"] == iso(until)
    forget_old_secrets()
    assert olds() == [made["secret"], made["secret"]]
    Channel.objects.update(old_secret_until=db_now())
    assert olds() == [made["secret"], ""]
    forget_old_secrets()
    assert olds() == ["", ""]
    done(api.post(f"{CHANNEL}/secret", {"id": made["id"]}))
    assert olds() == [second, second]
    done(api.post(f"{CHANNEL}/secret", {"id": made["id"], "keepHours": 0}))
    assert olds() == ["", ""]
    for hours in (-1, 169, "x"):
        answer = api.post(f"{CHANNEL}/secret", {"id": made["id"], "keepHours": hours}).json()
        assert (answer["code"], list(answer["details"])) == ("INVALID_PARAMETER", ["keepHours"])
    subject = f"channel/{made['id']}"
    assert events("RENEW_CHANNEL_SECRET") == [(subject, {"keepHours": hours}) for hours in (2, 24, 0)]
    done(api.post(f"{CHANNEL}/secret", {"id": made["id"]}))
    done(api.put(CHANNEL, {"id": made["id"], "secret": new_webhook_secret()}))
    assert olds() == ["", ""]


WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no name": ({"kind": "SLACK", "url": SLACK}, ["name"]),
    "an unknown kind": ({"name": "a", "kind": "PAGER"}, ["kind"]),
    "mail without recipients": ({"name": "a", "kind": "MAIL"}, ["recipients"]),
    "mail to nobody's address": ({"name": "a", "kind": "MAIL", "recipients": ["a@b@c"]}, ["recipients"]),
    "mail to a name that is not ASCII": (
        {"name": "a", "kind": "MAIL", "recipients": ["a@b.com", "\u017f\u212a@b.com"]},
        ["recipients"],
    ),
    "mail with an address of the web": (
        {"name": "a", "kind": "MAIL", "recipients": ["a@b.com"], "url": SLACK},
        ["url"],
    ),
    "a webhook without an address": ({"name": "a", "kind": "WEBHOOK"}, ["url"]),
    "a webhook with a login": ({"name": "a", "kind": "WEBHOOK", "url": "https://me:pw@a.com/"}, ["url"]),
    "a secret that is none": ({"name": "a", "kind": "WEBHOOK", "url": SLACK, "secret": "whsec_abc"}, ["secret"]),
    "Slack with a secret": ({"name": "a", "kind": "SLACK", "url": SLACK, "secret": "whsec_" + "A" * 32}, ["secret"]),
    "Slack with recipients": ({"name": "a", "kind": "SLACK", "url": SLACK, "recipients": ["a@b.com"]}, ["recipients"]),
    "an unknown language": ({"name": "a", "kind": "SLACK", "url": SLACK, "language": "fr"}, ["language"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_channel_is_refused_with(api: APIClient, case: str) -> None:
    given, named = WRONG[case]
    assert refused(api.post(CHANNEL, given, "json")) == (400, "INVALID_PARAMETER", named)
    assert (Channel.objects.count(), Event.objects.count()) == (0, 0)


def test_a_wrong_recipient_is_named(api: APIClient) -> None:
    given = {"name": "a", "kind": "MAIL", "recipients": ["a@\uc608\uc81c.example", "\u017f@b.com"]}
    answer = api.post(CHANNEL, given, "json", HTTP_ACCEPT_LANGUAGE="ko").json()
    assert answer["details"] == {"recipients": ["다음 주소로는 메일을 보낼 수 없습니다: \u017f@b.com"]}
    made = done(api.post(CHANNEL, {**given, "recipients": given["recipients"][:1]}, "json"))
    assert made["recipients"] == ["a@\uc608\uc81c.example"]


def test_plain_http_and_a_taken_name_are_refused(api: APIClient, settings: Any) -> None:
    settings.MOREH_OUTBOX_HTTP = False
    given = {"name": "a", "kind": "SLACK", "url": SLACK.replace("https", "http")}
    assert refused(api.post(CHANNEL, given)) == (400, "INVALID_PARAMETER", ["url"])
    channel(SLACK, "taken", kind="SLACK")
    assert refused(api.post(CHANNEL, {**given, "name": "taken", "url": SLACK})) == (409, "DUPLICATE", ["name"])


def test_a_test_message_shows_the_true_answer_and_is_sent_once(api: APIClient, receiver: HttpReceiver) -> None:
    good = channel(receiver.url, enabled=False)
    told = done(api.post(f"{CHANNEL}/test", {"id": good.pk}))
    assert (told["result"], told["statusCode"], told["number"]) == ("OK", 200, 1)
    assert receiver.received[0].json["data"] == {"channel": "portal"}
    assert receiver.received[0].headers["webhook-id"] == told["message"]
    with receiving(lambda _r, _s: answers("503 No", "Retry-After: 9")) as busy:
        bad = channel(busy.url, "bad")
        assert done(api.post(f"{CHANNEL}/test", {"id": bad.pk}))["result"] == "REFUSED"
        assert work.send_channel(bad.pk) is False
        assert len(busy.received) == 1
    bad.refresh_from_db()
    assert bad.failures == 0  # a test says nothing about what workers reach
    shown = {one["name"]: (one["state"], one["lastResult"]) for one in api.get(CHANNEL).json()}
    assert shown == {"portal": ("OFF", "OK"), "bad": ("LAST_FAILED", "REFUSED")}
    assert [row["state"] for row in api.get(DELIVERY).json()] == ["FAILED", "SENT"]


def test_deliveries_and_attempts_are_listed_filtered_and_sent_again(api: APIClient, receiver: HttpReceiver) -> None:
    where = channel(receiver.url)
    notes(where, 1, ordering_key="alert/1", group_key="rack")
    notes(where, 2, ordering_key="alert/2", group_key="rack")
    work.send_channel(where.pk)
    notes(where, 3, ordering_key="alert/1")
    rows = api.get(DELIVERY, {"channel": where.pk}).json()
    assert [(row["about"], row["state"], row["tries"], row["group"]) for row in rows] == [
        ("alert/1", "PENDING", 0, ""),
        ("alert/2", "SENT", 1, "rack"),
        ("alert/1", "SENT", 1, "rack"),
    ]
    assert [row["id"] for row in api.get(DELIVERY, {"about": "alert/1", "state": "sent"}).json()] == [rows[2]["id"]]
    assert [row["id"] for row in api.get(DELIVERY, {"limit": 1, "after": rows[0]["id"]}).json()] == [rows[1]["id"]]
    (attempt,) = api.get(ATTEMPT, {"delivery": rows[1]["id"], "result": "ok"}).json()
    assert (attempt["message"], attempt["statusCode"], attempt["size"] > 0) == (rows[1]["message"], 200, True)
    again = {"id": rows[1]["id"], "command": "SEND_AGAIN"}
    assert done(api.put(DELIVERY, again))["state"] == "SENDING"
    assert refused(api.put(DELIVERY, again)) == (409, "CONFLICT", ["id"])
    assert events("RESEND_DELIVERY") == [(f"delivery/{rows[1]['id']}", {"channel": "portal", "deliveries": 2})]
    text = b"".join(api.get(ATTEMPT, HTTP_ACCEPT="text/csv")).decode()
    assert text.splitlines()[0].startswith("\ufeffid,channel,message,number,at,result")


def test_a_read_only_operator_reads_and_changes_nothing() -> None:
    looker, where = client(Role.READ_ONLY), channel(SLACK, kind="SLACK")
    assert [row["name"] for row in looker.get(CHANNEL).json()] == ["portal"]
    assert looker.get(DELIVERY).json() == looker.get(ATTEMPT).json() == []
    for address in (CHANNEL, f"{CHANNEL}/test", f"{CHANNEL}/secret"):
        assert looker.post(address, {"id": where.pk}).status_code == 403
    assert looker.put(DELIVERY, {"id": 1, "command": "SEND_AGAIN"}).status_code == 403
