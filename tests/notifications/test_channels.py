"""A channel that fails is an alert, of which other channels hear; it is over when the channel works again."""

import pytest

from alerts.models import Alert
from core.clock import db_now
from outbox.choices import AttemptResult
from outbox.models import Channel
from outbox.signals import channel_failing, channel_recovered
from tests.notifications.world import channel, rule, told

pytestmark = pytest.mark.django_db


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
