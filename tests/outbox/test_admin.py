"""The pages of channels and deliveries."""

import re
from typing import Any

import pytest
from django.contrib.admin.templatetags.admin_list import result_headers
from django.contrib.messages import get_messages
from django.urls import reverse

from accounts.choices import Role
from outbox import work
from outbox.models import Attempt, Channel, Delivery
from outbox.services import NewDelivery, enqueue
from outbox.services.preview import previews
from subscriptions.rendering import SAMPLE
from tests.admin_world import client_of
from tests.outbox.receiver import HttpReceiver
from tests.outbox.world import SECRET, channel, notes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("static_files")]
HIDDEN = "hidden-in-query"


def said(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def test_a_channel_is_made_with_a_secret_that_is_shown_once(receiver: HttpReceiver) -> None:
    browser, add = client_of(Role.GENERAL), reverse("admin:outbox_channel_add")
    data = {"name": "portal", "kind": "WEBHOOK", "language": "ko", "enabled": "on", "new_url": receiver.url}
    typed = {"new_url": "ftp://portal.example.com/typed", "new_secret": "whsec_typed"}
    refused = browser.post(add, {**data, **typed}).content.decode()
    assert "Enter an address like https://portal.example.com/hooks" in refused
    assert all(f'value="{value}"' in refused for value in typed.values())
    shown = browser.post(add, {**data, "recipients": "left-over of another kind"}).content.decode()
    row = Channel.objects.get()
    assert (row.url, row.language) == (receiver.url, "ko")
    assert row.secret in shown.replace("&#x3D;", "=")
    page = browser.get(reverse("admin:outbox_channel_change", args=[row.pk])).content.decode()
    assert (row.secret in page, HIDDEN in page, f"localhost:{receiver.port}/***" in page) == (False, False, True)
    assert "ko: [1]" in page  # the preview, in the channel's language
    assert [f'name="{name}"' in page for name in ("new_url", "new_secret", "recipients")] == [True, True, False]
    change = reverse("admin:outbox_channel_change", args=[row.pk])
    browser.post(change, {**data, "recipients": "left-over of another kind"})
    refused = browser.post(change, {**data, "new_url": "ftp://other.example.com/typed"}).content.decode()
    assert ('value="ftp://other.example.com/typed"' in refused, row.url in refused) == (True, False)


REQUIRED: dict[str, tuple[str, list[str]]] = {
    "mail": ("MAIL", ["recipients"]),
    "a signed webhook": ("WEBHOOK", ["new_url"]),
    "a Slack-compatible webhook": ("SLACK", ["new_url"]),
}


@pytest.mark.only_sqlite
@pytest.mark.parametrize("case", REQUIRED)
def test_a_form_asks_for_what_its_kind_needs(case: str) -> None:
    kind, needed = REQUIRED[case]
    browser, add = client_of(Role.GENERAL), reverse("admin:outbox_channel_add")
    asked = browser.get(add).context["adminform"].form.fields
    assert [name for name, field in asked.items() if field.required] == [
        *("name", "kind", "language", "new_url", "recipients")
    ]
    form = browser.post(add, {"name": "a", "kind": kind, "language": "en"}).context["adminform"].form
    assert {name: list(said) for name, said in form.errors.items()} == {needed[0]: ["This field is required."]}
    asked = browser.get(reverse("admin:subscriptions_subscription_add")).context["adminform"].form.fields
    assert asked["new_url"].required


def test_a_test_shows_the_true_answer(receiver: HttpReceiver) -> None:
    row, browser = channel(receiver.url), client_of(Role.GENERAL)
    page = reverse("admin:outbox_channel_test", args=[row.pk])
    asked = browser.get(page).context
    sent = browser.post(page, {"agreed": "1", "key": asked["key"], "selection": asked["selection"]})
    first, *_rest = said(sent)
    assert first.startswith("portal: Answer: accepted (200, ")
    assert len(receiver.received) == 1
    browser.post(page, {"agreed": "1", "key": asked["key"], "selection": asked["selection"]})
    assert len(receiver.received) == 1  # a double click


def test_a_delivery_is_shown_and_sent_again(receiver: HttpReceiver) -> None:
    row, browser = channel(receiver.url), client_of(Role.GENERAL)
    notes(row, 1, ordering_key="alert/1")
    work.send_channel(row.pk)
    delivery = Delivery.objects.get()
    page = browser.get(reverse("admin:outbox_delivery_change", args=[delivery.pk])).content.decode()
    assert all(text in page for text in ("en: [1]", str(delivery.message), "alert/1", "accepted"))
    again = reverse("admin:outbox_delivery_again", args=[delivery.pk])
    asked = browser.get(again).context
    browser.post(again, {"agreed": "1", "key": asked["key"], "selection": asked["selection"]})
    delivery.refresh_from_db()
    assert delivery.state == "SENDING"
    looker = client_of(Role.READ_ONLY)
    assert looker.get(again).status_code == 403


def test_previews_of_every_kind_of_channel() -> None:
    found = {
        kind: {one.kind: one for one in previews(channel(url, kind, kind=kind, recipients=to))}["note"]
        for kind, url, to in (
            ("MAIL", "", ["a@example.com"]),
            ("SLACK", "https://hooks.example.com/x", ()),
            ("WEBHOOK", "https://hooks.example.com/x", ()),
        )
    }
    assert found["MAIL"].content == "<b>"
    assert found["SLACK"].content == "*en: [1]*\n<b>"
    assert '"type": "note.made"' in found["WEBHOOK"].content
    assert {one.subject for one in found.values()} == {"en: [1]"}
    assert SECRET not in str(found)


def test_lists_leave_out_events_unless_asked_and_say_kinds_in_words(receiver: HttpReceiver) -> None:
    row, browser = channel(receiver.url), client_of(Role.READ_ONLY)
    notes(row, 1)
    enqueue([NewDelivery(row.pk, "events", SAMPLE)])
    work.send_channel(row.pk)
    for model, path in ((Delivery, "kind"), (Attempt, "message__kind")):
        page = reverse(f"admin:outbox_{model._meta.model_name}_changelist")
        found = {
            wanted: sorted(
                str(getattr(one, "message", one).kind) for one in browser.get(page + wanted).context["cl"].result_list
            )
            for wanted in ("", "?kind=all", "?kind=events", "?kind=note")
        }
        assert found == {
            "": ["note"],
            "?kind=all": ["events", "note"],
            "?kind=events": ["events"],
            "?kind=note": ["note"],
        }, path
    shown = browser.get(reverse("admin:outbox_delivery_changelist") + "?kind=all", headers={"accept-language": "ko"})
    headers = [column["text"] for column in result_headers(shown.context["cl"])]
    assert headers == ["생성", "채널", "종류", "대상", "제목", "상태", "시도 횟수", "종료"]
    assert re.findall(r"field-kind_column[^>]*>\s*(.*?)\s*<", shown.content.decode()) == ["이벤트", "note"]
    page = browser.get(reverse("admin:outbox_attempt_changelist"), headers={"accept-language": "ko"}).content.decode()
    assert re.findall(r"<title>\s*(.*?) \|", page) == ["발송 로그"]
