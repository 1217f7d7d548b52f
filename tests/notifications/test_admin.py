"""The pages of notifications as a beginner uses them."""

import re
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.choices import Role
from notifications.models import Rule, Silence
from outbox.models import Attempt, Channel
from tests import make
from tests.admin_world import client_of
from tests.api import events
from tests.notifications.world import channel, lose, rule, told

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
SETUP = reverse("admin:notifications_rule_setup")
GIVEN = {"name": "on-call", "preset": "NODES", "kind": "MAIL", "recipients": "ops@example.com", "language": "ko"}


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


def errors(page: Any) -> dict[str, list[str]]:
    """Return the errors that a page shows, by field."""
    form = page.context["adminform"].form if "adminform" in page.context else page.context["form"]
    return {name: [str(one) for one in said] for name, said in form.errors.items()}


def test_a_beginner_sets_up_mail_about_lost_nodes_with_a_test(browser: Client) -> None:
    answer = browser.post(SETUP, {**GIVEN, "test": "1"}, follow=True)
    made, where = Rule.objects.get(), Channel.objects.get()
    assert made.group_wait_s == 2  # a silent node is told within 40 seconds
    assert answer.redirect_chain == [(reverse("admin:notifications_rule_change", args=[made.pk]), 302)]
    assert [str(one) for one in answer.context["messages"]] == [
        "It is set up: the rule tells from now on, and of what is open.",
        "Test message: accepted",
    ]
    assert (where.name, where.kind, where.recipients, where.language) == ("on-call", "MAIL", ["ops@example.com"], "ko")
    assert "NODE_LOST" in made.categories
    assert list(made.channels.all()) == [where]
    assert [attempt.result for attempt in Attempt.objects.all()] == ["OK"]
    assert len(events("CREATE_CHANNEL")) == len(events("CREATE_RULE")) == 1
    lose(make.backend(1, name="node-01"))
    assert [(name, change) for name, change, _node in told()][-1:] == [("on-call", "RAISED")]


def test_the_secret_of_a_new_webhook_is_shown_once(browser: Client) -> None:
    given = {**GIVEN, "kind": "WEBHOOK", "url": "https://portal.example.com/hook", "save": "1"}
    page = browser.post(SETUP, given).content.decode()
    assert re.search(r'value="whsec_[A-Za-z0-9+/=]+"', page)
    assert "portal.example.com/hook" not in browser.get(reverse("admin:notifications_rule_changelist")).content.decode()


def test_a_preview_makes_nothing(browser: Client) -> None:
    page = browser.post(SETUP, {**GIVEN, "preview": "1"})
    assert page.context["preview"].subject == "[심각] 노드 유실: 노드 node-01"
    content = page.context["preview"].content
    assert content.endswith("/admin/alerts/alert/\n\n규칙: on-call")
    assert f"{timezone.localdate()}" in content
    slack = {**GIVEN, "kind": "SLACK", "url": "https://hooks.example.com/x", "language": "en", "preview": "1"}
    assert browser.post(SETUP, slack).context["preview"].content.startswith("*[critical] node lost: node node-01*\n[")
    assert (Rule.objects.count(), Channel.objects.count()) == (0, 0)


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "no address": ({"recipients": ""}, "Enter a mail address."),
    "one address of three that is none": (
        {"recipients": "a@example.com; ops,b@example.com"},
        "“ops” is no mail address. Enter one in each line.",
    ),
    "no name": ({"name": " "}, "name"),
    "a name that is taken": ({"name": "taken"}, "name"),
    "a webhook without an address": ({"kind": "WEBHOOK"}, "Enter the address of the webhook."),
    "a webhook that is not https": ({"kind": "WEBHOOK", "url": "http://portal.example.com"}, "url"),
    "no channel": ({"kind": ""}, "Choose a channel."),
    "a channel that does not exist": ({"kind": "", "channel": "999"}, "channel"),
    "a kind that does not exist": ({"kind": "FAX"}, "kind"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_at_its_field_and_nothing_is_made(browser: Client, case: str) -> None:
    wrong, field = WRONG[case]
    channel("taken")
    page = browser.post(SETUP, {**GIVEN, **wrong, "save": "1"})
    ((named, told),) = errors(page).items()
    assert field in (named, told[0])
    assert (Rule.objects.count(), Channel.objects.count()) == (0, 1)


def test_a_channel_that_exists_is_used(browser: Client) -> None:
    where = channel()
    browser.post(SETUP, {**GIVEN, "kind": "", "channel": str(where.pk), "save": "1"})
    assert list(Rule.objects.get().channels.all()) == [where]
    assert Channel.objects.count() == 1


def test_who_only_reads_sets_nothing_up() -> None:
    looker = client_of(Role.READ_ONLY)
    assert looker.get(SETUP).status_code == 403
    assert looker.get(reverse("admin:notifications_rule_changelist")).status_code == 200


def test_the_page_of_an_alert_leads_to_a_silence_of_its_subject(browser: Client) -> None:
    node = make.backend(1, name="node-01")
    alert = lose(node)
    page = browser.get(reverse("admin:alerts_alert_change", args=[alert.pk])).content.decode()
    address = f"{reverse('admin:notifications_silence_add')}?about=backend%2F{node.pk}"
    assert address in page
    assert "Alerts about this only: node node-01" in browser.get(address).content.decode()
    given = {"ends_at": f"{timezone.localdate() + timedelta(days=2)}T00:00", "comment": "cables"}
    browser.post(address, given)
    silence = Silence.objects.get()
    assert (silence.subject_kind, silence.subject_id, silence.comment) == ("backend", node.pk, "cables")
    assert "node node-01" in browser.get(reverse("admin:notifications_silence_changelist")).content.decode()


def test_a_rule_is_changed_on_its_page_and_its_errors_are_at_their_fields(browser: Client) -> None:
    made = rule(channel())
    address = reverse("admin:notifications_rule_change", args=[made.pk])
    given = {
        "name": "nights",
        "channels": [str(channel("second").pk)],
        "least_level": "CRITICAL",
        "categories": ["NODE_LOST"],
        "weekdays": ["SAT"],
        "group_wait_s": "7",
        "from_time": "22:00",
    }
    assert list(errors(browser.post(address, given))) == ["to_time"]
    same = "Both times are the same. Enter another, or none for the whole day."
    assert errors(browser.post(address, {**given, "to_time": "22:00"})) == {"to_time": [same]}
    browser.post(address, {**given, "to_time": "06:00"})
    made.refresh_from_db()
    assert (made.name, made.enabled, made.weekdays, made.group_wait_s) == ("nights", False, ["SAT"], 7)
    assert [one.name for one in made.channels.all()] == ["second"]


@pytest.fixture
def _no_mail_server(settings: Any, tmp_path: Path) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_FILE_PATH = settings.EMAIL_FILES_BACKEND, tmp_path / "mail"


@pytest.mark.usefixtures("_no_mail_server")
def test_without_a_mail_server_everything_says_that_mails_are_files(browser: Client, tmp_path: Path) -> None:
    answer = browser.post(SETUP, {**GIVEN, "test": "1"}, follow=True)
    stored = "stored as a file, because there is no mail server (MOREH_MAIL_URL)"
    said = [(one.level_tag, str(one)) for one in answer.context["messages"]]
    assert said[1:] == [("warning", f"Test message: accepted, {stored}")]
    assert len(list((tmp_path / "mail").iterdir())) == 1
    assert Attempt.objects.get().detail == stored
    where = reverse("admin:outbox_channel_change", args=[Channel.objects.get().pk])
    note = f"There is no mail server (MOREH_MAIL_URL): mails are not sent, but stored as files in {tmp_path}/mail."
    assert [note in browser.get(page).content.decode() for page in (SETUP, where)] == [True, True]
    assert note in client_of(Role.MASTER).get(reverse("admin:accounts_operator_add")).content.decode()
    korean = {"accept-language": "ko"}
    shown = "메일 서버(MOREH_MAIL_URL)가 없어 파일로 저장됨"
    assert shown in browser.get(reverse("admin:outbox_attempt_changelist"), headers=korean).content.decode()
    assert (
        f"메일을 보내지 않고 {tmp_path}/mail에 파일로 저장합니다."
        in browser.get(SETUP, headers=korean).content.decode()
    )


PRIVATE = "It is a private or loopback address; allow its network with MOREH_OUTBOX_NETWORKS."
NOT_HTTPS = "Enter an address that begins with https://, or allow http:// with MOREH_OUTBOX_HTTP."
REFUSED = {
    "http://127.0.0.1:9911/hook": NOT_HTTPS,
    "https://127.0.0.1:9911/hook": PRIVATE,
    "https://10.0.0.5/x": PRIVATE,
    "https://127.1/x": PRIVATE,
    "https://0x7f000001/x": PRIVATE,
    "https://[::ffff:10.0.0.5]/x": PRIVATE,
}


@pytest.mark.parametrize("url", REFUSED)
@pytest.mark.parametrize("button", ["save", "preview"])
def test_an_address_that_can_never_be_sent_to_is_refused_with_its_setting(
    browser: Client, url: str, button: str
) -> None:
    page = browser.post(SETUP, {**GIVEN, "kind": "WEBHOOK", "url": url, button: "1"})
    assert errors(page) == {"url": [REFUSED[url]]}
    assert f'value="{url}"' in page.content.decode()
    assert page.context["preview"] is None
    assert (Rule.objects.count(), Channel.objects.count(), events("CREATE_CHANNEL")) == (0, 0, [])


def test_networks_that_are_allowed_are_accepted_and_a_name_is_judged_when_it_is_resolved(
    browser: Client, settings: Any
) -> None:
    settings.MOREH_OUTBOX_NETWORKS = (ip_network("10.0.0.0/24"),)
    given = {**GIVEN, "kind": "SLACK"}
    browser.post(SETUP, {**given, "url": "https://10.0.0.5/x", "save": "1"})
    answer = browser.post(SETUP, {**given, "name": "second", "url": "https://localhost/x", "test": "1"}, follow=True)
    assert [str(one) for one in answer.context["messages"]][-1] == (
        "Test message: the address is not allowed, "
        "a private or loopback address; allow its network with MOREH_OUTBOX_NETWORKS"
    )
    assert list(Channel.objects.order_by("pk").values_list("name", flat=True)) == ["on-call", "second"]


def test_the_form_of_silences_names_the_time_zone_and_what_it_needs(browser: Client) -> None:
    fields = browser.get(reverse("admin:notifications_silence_add")).context["adminform"].form.fields
    assert [str(fields[name].help_text) for name in ("categories", "starts_at", "ends_at")] == [
        "None: of every category; then choose a group, tag or token at least.",
        f"Empty or past: at once. Time zone: {timezone.get_current_timezone_name()}.",
        f"Then what is still open is sent. Time zone: {timezone.get_current_timezone_name()}.",
    ]
