"""A channel that fails is an alert, of which other channels hear; it is over when the channel works again."""

import re

import pytest
from django.urls import reverse

from accounts.choices import Role
from alerts.models import Alert
from core.clock import db_now
from outbox.choices import AttemptResult
from outbox.models import Attempt, Channel, Delivery
from outbox.services import delete_channel, update_channel
from outbox.signals import channel_failing, channel_recovered
from tests.admin_world import client_of
from tests.api import V2, client, done, events, refused
from tests.make import ACTOR
from tests.notifications.world import channel, rule, told

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
CHANNEL = f"{V2}/outbox/channel"


def test_a_failing_channel_is_told_by_another_one_once_and_that_it_works_again() -> None:
    broken, whole = channel("portal"), channel("on-call")
    rule(whole, name="all")
    for _time in range(2):
        channel_failing.send(Channel, channel_id=broken.pk, since=db_now(), result=AttemptResult.REFUSED, code=500)
    alert = Alert.objects.get()
    assert (alert.category, str(alert.subject), alert.times) == ("DELIVERY_FAILED", f"channel/{broken.pk}", 2)
    assert alert.text == "Messages to portal could not be delivered: refused; 500"
    channel_recovered.send(Channel, channel_id=broken.pk)
    assert told() == [("on-call", "RAISED", "portal"), ("on-call", "CLEARED", "portal")]


@pytest.mark.parametrize(
    ("verb", "text"),
    [
        ("change", "The channel portal was changed. Whether it works now is seen when a message is sent."),
        ("delete", "The channel portal was deleted."),
    ],
)
def test_that_a_failing_channel_was_changed_or_deleted_is_not_told_as_if_it_worked(verb: str, text: str) -> None:
    broken = channel("portal")
    rule(channel("on-call"), name="all")
    channel_failing.send(Channel, channel_id=broken.pk, since=db_now(), result=AttemptResult.REFUSED, code=550)
    Channel.objects.filter(pk=broken.pk).update(reported_at=db_now(), failing_since=db_now(), failures=9)
    if verb == "delete":
        delete_channel(broken, actor=ACTOR)
    else:
        broken.refresh_from_db()
        update_channel(broken, recipients=["other@example.com"], actor=ACTOR)
    alert = Alert.objects.get()
    assert (alert.cleared_at is not None, alert.text) == (True, text)
    assert told() == [("on-call", "RAISED", "portal"), ("on-call", "CLEARED", "portal")]
    last = Delivery.objects.latest("pk").payload
    assert (last["code"], last["params"]) == (f"CHANNEL_{verb.upper()}D", {"channel": "portal"})


def test_a_channel_that_works_is_changed_and_deleted_without_an_alert() -> None:
    whole = channel("portal")
    update_channel(whole, recipients=["other@example.com"], actor=ACTOR)
    delete_channel(whole, actor=ACTOR)
    assert Alert.objects.count() == 0


def test_a_channel_without_which_a_rule_would_have_none_is_deleted_by_force_only() -> None:
    needed, other = channel("needed"), channel("other")
    only, both = rule(needed, name="only"), rule(needed, other, name="both")
    off = rule(needed, name="off", enabled=False)
    api = client()
    answer = api.delete(CHANNEL, {"id": needed.pk})
    assert refused(answer) == (409, "CONFLICT", ["id", "rules"])
    assert answer.json()["details"]["rules"] == "only"
    assert (sorted(one.name for one in only.channels.all()), events("DELETE_CHANNEL")) == (["needed"], [])
    done(api.delete(CHANNEL, {"id": needed.pk, "force": True}))
    assert [sorted(one.name for one in row.channels.all()) for row in (only, both)] == [[], ["other"]]
    left = {only: [], both: [other.pk], off: []}
    assert dict(events("UPDATE_RULE")) == {f"rule/{row.pk}": {"channels": ids} for row, ids in left.items()}
    ((subject, told_of),) = events("DELETE_CHANNEL")
    assert (subject, told_of) == (f"channel/{needed.pk}", {"name": "needed", "canceled": 0, "force": True})


def test_the_page_that_asks_names_the_rules_and_a_rule_without_a_channel_is_not_tried() -> None:
    browser, needed = client_of(Role.GENERAL), channel("needed")
    only = rule(needed, name="only")
    rule(needed, channel("other"), name="both")
    page = reverse("admin:outbox_channel_delete", args=[needed.pk])
    asked = browser.get(page)
    rows = [[re.sub("<[^>]+>", "", str(cell)) for cell in row] for row in asked.context["about"].rows]
    assert rows == [["only", "no channel"], ["both", "other"]]
    agreed = {name: asked.context[name] for name in ("key", "selection")} | {"agreed": "1"}
    said = [str(one) for one in browser.post(page, agreed, follow=True).context["messages"]]
    assert said == ["needed: Rules would be left without any channel. (rules: only)"]
    asked = browser.get(page)
    agreed = {name: asked.context[name] for name in ("key", "selection")} | {"agreed": "1", "force": "on"}
    browser.post(page, agreed)
    shown = browser.get(reverse("admin:notifications_rule_change", args=[only.pk]))
    assert shown.context["adminform"].form["channels"].initial == []
    test = reverse("admin:notifications_rule_test", args=[only.pk])
    asked = browser.get(test)
    agreed = {name: asked.context[name] for name in ("key", "selection")} | {"agreed": "1"}
    said = [str(one) for one in browser.post(test, agreed, follow=True).context["messages"]]
    assert said == ["only: The rule has no channel. Choose one first."]
    assert Attempt.objects.count() == 0
