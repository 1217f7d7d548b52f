"""What people see of channels and deliveries: true at each moment."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.choices import Role
from core.clock import db_now
from outbox import work
from outbox.models import Channel, Delivery, OutgoingMessage
from outbox.status import channel_status, delivery_status, next_attempt
from tests.admin_world import client_of
from tests.api import V2, client
from tests.outbox.receiver import answers, receiving
from tests.outbox.world import channel, notes

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BEFORE, SOON, LATER = NOW - timedelta(minutes=1), NOW + timedelta(minutes=1), NOW + timedelta(hours=1)
HOST = "https://hooks.example.com/x"

CHANNELS: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "never tried": ({}, None, "UNTRIED"),
    "tried before the log begins": ({"attempt": 3}, None, "QUIET"),
    "its last message was accepted": ({"attempt": 3}, "OK", "WORKS"),
    "its last message was refused": ({"attempt": 3}, "REFUSED", "LAST_FAILED"),
    "a test failed": ({}, "UNREACHABLE", "LAST_FAILED"),
    "it fails": ({"failing_since": BEFORE}, "TIMEOUT", "FAILING"),
    "switched off": ({"enabled": False, "failing_since": BEFORE}, "TIMEOUT", "OFF"),
    "deleted": ({"enabled": False, "deleted_at": BEFORE}, "OK", "DELETED"),
}


@pytest.mark.only_sqlite
@pytest.mark.parametrize("case", CHANNELS)
def test_a_channel_is(case: str) -> None:
    fields, last, expected = CHANNELS[case]
    assert channel_status(Channel(**fields), last) == expected


Case = tuple[str, dict[str, Any], dict[str, Any] | None, str, datetime | None]
# the delivery's state, its channel, its message (None: not made yet), what is shown, and when it is tried next
DELIVERIES: dict[str, Case] = {
    "waiting": ("PENDING", {}, None, "WAITING", SOON),
    "waiting for a channel that fails": ("PENDING", {"next_at": LATER}, None, "WAITING", LATER),
    "waiting for a channel that is off": ("PENDING", {"enabled": False}, None, "CHANNEL_OFF", None),
    "taken by a worker": ("SENDING", {"lease_until": SOON}, {"next_at": BEFORE}, "SENDING", BEFORE),
    "between two attempts": ("SENDING", {}, {"tries": 1, "next_at": SOON}, "RETRY", SOON),
    "due, but the channel waits": ("SENDING", {"next_at": LATER}, {"tries": 1, "next_at": BEFORE}, "RETRY", LATER),
    "others are being sent": ("SENDING", {"lease_until": SOON}, {"tries": 1, "next_at": LATER}, "RETRY", LATER),
    "its channel was switched off": ("SENDING", {"enabled": False}, {"tries": 1, "next_at": SOON}, "CHANNEL_OFF", None),
    "a test": ("SENDING", {"enabled": False}, {"next_at": SOON}, "SENDING", None),
    "sent": ("SENT", {"next_at": LATER}, {"tries": 1}, "SENT", None),
    "given up": ("FAILED", {}, {"tries": 9}, "FAILED", None),
    "canceled": ("CANCELED", {}, None, "CANCELED", None),
}


@pytest.mark.only_sqlite
@pytest.mark.parametrize("case", DELIVERIES)
def test_a_delivery_is(case: str) -> None:
    state, where, message, expected, at = DELIVERIES[case]
    made = OutgoingMessage(**message) if message is not None else None
    row = Delivery(state=state, channel=Channel(**where), message=made, not_before=SOON)
    assert (delivery_status(row, NOW), next_attempt(row)) == (expected, at)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("static_files")
def test_pages_and_rest_say_when_a_refused_message_is_tried_again_and_what_waits_behind_it() -> None:
    with receiving(lambda _r, _s: answers("503 No")) as busy:
        where = channel(busy.url)
        notes(where, 1, 2, ordering_key="alert/1")
        work.send_channel(where.pk)
    first, second = Delivery.objects.order_by("pk")
    later = db_now() + timedelta(hours=1)
    Channel.objects.update(next_at=later)
    looker = client_of(Role.READ_ONLY)

    def page(noun: str, pk: int) -> str:
        html = looker.get(reverse(f"admin:outbox_{noun}_change", args=[pk])).content.decode()
        return re.sub(r"\s*<[^>]*>\s*", "|", html)

    shown = page("delivery", first.pk)
    assert f"|{timezone.localtime(later):%Y-%m-%d %H:%M:%S}|" in shown
    assert "|will be tried again|" in shown
    assert re.search(r"\|refused\|+503\|+[0-9,]+ ms\|+[0-9,]+ bytes\|", shown)
    assert f"|after delivery #{first.pk}|" in page("delivery", second.pk)
    assert "|failing|" in page("channel", where.pk)
    times = {one["id"]: one["nextAt"] for one in client().get(f"{V2}/outbox/delivery").json()}
    assert times[first.pk] == times[second.pk] == client().get(f"{V2}/outbox/channel").json()[0]["nextAt"]


@pytest.mark.django_db
@pytest.mark.usefixtures("static_files")
def test_only_a_signed_webhook_is_offered_a_new_secret() -> None:
    browser = client_of(Role.GENERAL)
    signed, slack = channel(HOST), channel(HOST, "slack", kind="SLACK")
    renew = {row: reverse("admin:outbox_channel_renew", args=[row.pk]) for row in (signed, slack)}
    for row in (signed, slack):
        page = browser.get(reverse("admin:outbox_channel_change", args=[row.pk])).content.decode()
        assert (renew[row] in page) == (row == signed)
        assert ">not tried yet<" in page
    answer = browser.get(renew[slack], follow=True)
    assert [str(one) for one in answer.context["messages"]] == ["Only a signed webhook has a secret."]


@pytest.mark.django_db(transaction=True)
def test_the_list_of_channels_takes_as_many_queries_for_any_number(django_assert_max_num_queries: Any) -> None:
    for number in range(4):
        channel(HOST, f"c{number}")
    api = client()
    api.get(f"{V2}/outbox/channel")
    with django_assert_max_num_queries(5):
        assert len(api.get(f"{V2}/outbox/channel").json()) == 4
