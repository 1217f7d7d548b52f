"""What channels get of alerts: deliveries, each by the rule that tells it soonest, and not what they have heard."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from alerts.choices import SEVERITY, Change
from alerts.queries import KnownAlert
from core.bulk import update_rows
from notifications.heard import LastHeard, last_heard_of, waiting_for
from notifications.matching import MOST_URGENT
from notifications.messages import ALERT, payload_of
from notifications.queries import LoadedRule
from outbox.models import Delivery
from outbox.services import NewDelivery, enqueue

NOTHING_HEARD: Mapping[tuple[int, int], LastHeard] = {}
SLACK = timedelta(minutes=1)  # rules look for repetitions every 10 seconds, and repeat every 5 minutes at most


class Pair(NamedTuple):
    """A rule, and an alert that it means."""

    rule: LoadedRule
    known: KnownAlert

    @property
    def key(self) -> tuple[int, int]:
        """Return the ids of alert and rule, of which there is one notice."""
        return self.known.alert.pk, self.rule.pk


def last_heard(pairs: Iterable[Pair]) -> Mapping[tuple[int, int], LastHeard]:
    """Return what channels of rules heard last of the alerts, by channel and alert, in one query."""
    found = list(pairs)
    channels = {channel for pair in found for channel in pair.rule.channels}
    return last_heard_of({pair.known.alert.pk for pair in found}, channels) if found else {}


def store_deliveries(
    pairs: Iterable[Pair],
    change: Change,
    now: datetime,
    *,
    heard: Mapping[tuple[int, int], LastHeard] = NOTHING_HEARD,
    repeated: bool = False,
) -> None:
    """Put what rules say of alerts into the outbox; a channel of several rules hears of an alert once.

    It hears it by the rule that collects for the shortest time; what waits about the same alert then does not wait
    longer. What a rule says while it collects already is due with that.

    `heard`: what channels have heard already, also by other rules. `repeated`: they hear it again, but not sooner than
    the rule repeats.
    """
    done: set[tuple[int, int]] = set()
    deliveries = []
    soonest = sorted(pairs, key=lambda pair: pair.rule.wait)
    waiting = WaitingDeliveries(soonest, now)
    for rule, known in soonest:
        payload = payload_of(known, change, rule.name, repeated=repeated)
        for channel in rule.channels:
            key = channel, known.alert.pk
            if key in done or (key in heard and _is_known(heard[key], rule, known, now if repeated else None)):
                continue
            done.add(key)
            about, group = f"alert/{known.alert.pk}", _group_of(rule)
            due = waiting.due(channel, group, now + rule.wait)
            waiting.hurry(channel, about, due)
            deliveries.append(
                NewDelivery(
                    channel_id=channel,
                    kind=ALERT,
                    payload=payload,
                    ordering_key=about,
                    group_key=group,
                    not_before=due,
                )
            )
    waiting.store()
    enqueue(deliveries)


def _is_known(last: LastHeard, rule: LoadedRule, known: KnownAlert, repeated_at: datetime | None) -> bool:
    """Whether a channel has heard of an alert at its level; if it is repeated: a short time ago."""
    if SEVERITY.get(known.alert.level, MOST_URGENT) > last.severity:
        return False
    return repeated_at is None or rule.repeat is None or last.at > repeated_at - rule.repeat + SLACK


def to_who_heard(pairs: Sequence[Pair]) -> Iterator[Pair]:
    """Yield pairs with those channels alone that have heard of the alert, also by a rule that has others by now.

    Where nothing is known of what was heard, because the deliveries are deleted by now, the channels of the rule stay.
    """
    heard: dict[int, dict[int, str]] = {}  # by alert: the channels, and the group of what each heard last
    for (channel, alert), last in last_heard_of({pair.known.alert.pk for pair in pairs}).items() if pairs else ():
        heard.setdefault(alert, {})[channel] = last.group
    for rule, known in pairs:
        groups = heard.get(known.alert.pk)
        if groups is None:
            yield Pair(rule, known)
            continue
        mine = {channel for channel, group in groups.items() if channel in rule.channels or group == _group_of(rule)}
        yield Pair(replace(rule, channels=tuple(sorted(mine))), known)


def _group_of(rule: LoadedRule) -> str:
    return f"rule/{rule.pk}"


class WaitingDeliveries:
    """What channels of rules are to get later, read in one query: what it is collected with, and what must hurry."""

    def __init__(self, pairs: Sequence[Pair], now: datetime) -> None:
        self._due: dict[tuple[int, str], datetime] = {}  # of what is collected, by channel and rule
        self._later: dict[tuple[int, str], list[tuple[int, datetime]]] = {}  # by channel and alert
        self._hurried: dict[int, datetime] = {}
        channels = {channel for pair in pairs for channel in pair.rule.channels}
        for pk, channel, about, group, at in waiting_for(channels, now) if pairs else ():
            key = channel, group
            self._due[key] = min(at, self._due.get(key, at))
            self._later.setdefault((channel, about), []).append((pk, at))

    def due(self, channel: int, group: str, at: datetime) -> datetime:
        """Return when what a rule says is due: with what it collects already, else at a time, for all that follow."""
        self._due[channel, group] = at = min(at, self._due.get((channel, group), at))
        return at

    def hurry(self, channel: int, about: str, at: datetime) -> None:
        """Let what waits about an alert not wait longer than that."""
        for pk, later in self._later.get((channel, about), ()):
            if later > at:
                self._hurried[pk] = at

    def store(self) -> None:
        """Store what must hurry, in one statement."""
        update_rows(Delivery, ("not_before",), self._hurried.items())
