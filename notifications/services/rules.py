"""Rules: created, changed and deleted by operators."""

from collections.abc import Collection, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from alerts.choices import Category
from core.clock import db_now
from core.errors import InvalidParameter, NotFound
from core.texts import require_row, values_of
from core.tombstone import hold
from core.unique import unique
from events.actor import Actor
from events.services import record
from notifications.choices import NOTICE_TRANSITIONS, NoticeState, Weekday
from notifications.models import Notice, Rule
from notifications.queries import rules_losing, zone_of
from notifications.services.notifying import catch_up
from outbox.errors import ChannelInUse

PLAIN = (
    *("name", "enabled", "categories", "least_level", "group_wait_s", "repeat_min", "send_resolved"),
    *("weekdays", "from_time", "to_time", "time_zone"),
)
SETS = ("groups", "tags", "tokens", "channels")
WIRE = {  # as operators and programs name them
    "least_level": "leastLevel",
    "group_wait_s": "groupWait",
    "repeat_min": "repeatEvery",
    "send_resolved": "sendResolved",
    "from_time": "fromTime",
    "to_time": "toTime",
    "time_zone": "timeZone",
}


@transaction.atomic
def create_rule(*, actor: Actor, **fields: Any) -> Rule:
    """Create a rule; it also notifies of what is open now. Raises Duplicate, InvalidParameter."""
    rule = Rule(created_at=db_now(), **{name: value for name, value in fields.items() if name in PLAIN})
    if not fields.get("channels"):
        raise InvalidParameter(_("Choose at least one channel."), parameter="channels")
    _save(rule, {"name", *fields})
    set_match(rule, fields, SETS)
    record("CREATE_RULE", actor=actor, subject=subject_of(rule), **_details(rule, fields))
    catch_up(rule_ids=[rule.pk])
    return rule


@transaction.atomic
def update_rule(rule: Rule, *, actor: Actor, **fields: Any) -> Rule:
    """Change a rule; it notifies of what it means now and has not notified of yet.

    Raises Duplicate, InvalidParameter, Conflict when it was deleted meanwhile.
    """
    hold(rule)
    if "channels" in fields and not fields["channels"]:
        raise InvalidParameter(_("Choose at least one channel."), parameter="channels")
    for name in PLAIN:
        if name in fields:
            setattr(rule, name, fields[name])
    _save(rule, fields.keys())
    set_match(rule, fields, SETS)
    record("UPDATE_RULE", actor=actor, subject=subject_of(rule), **_details(rule, fields))
    catch_up(rule_ids=[rule.pk])
    return rule


@transaction.atomic
def delete_rule(rule: Rule, *, actor: Actor) -> None:
    """Mark a rule as deleted; what it has stored for its channels still leaves. Raises Conflict, NotFound."""
    hold(rule)
    if not Rule.objects.live().filter(pk=rule.pk).update(deleted_at=db_now(), enabled=False):
        raise NotFound(id=rule.pk)
    held = Notice.objects.filter(rule=rule, state__in=NOTICE_TRANSITIONS.before(NoticeState.DROPPED))
    held.update(state=NoticeState.DROPPED)
    record("DELETE_RULE", actor=actor, subject=subject_of(rule), name=rule.name)


def release_channel(channel_id: int, *, actor: Actor, force: bool) -> None:
    """Take a channel that is being deleted from the rules that use it, in the transaction of the caller.

    Raises ChannelInUse, unless `force`, when a rule that is on would be left without any channel.
    """
    losing = rules_losing({channel_id})
    if (silent := [rule.name for rule, left in losing if rule.enabled and not left]) and not force:
        raise ChannelInUse(id=channel_id, rules=", ".join(silent))
    Rule.channels.through.objects.filter(channel=channel_id).delete()
    for rule, left in losing:
        record("UPDATE_RULE", actor=actor, subject=subject_of(rule), channels=sorted(channel.pk for channel in left))


def subject_of(rule: Rule) -> str:
    """Return what events call a rule."""
    return f"rule/{rule.pk}"


def match_problems(row: Any, changed: Collection[str]) -> dict[str, list[object]]:
    """Return what is wrong with the conditions of a rule or a silence, by parameter."""
    problems: dict[str, list[object]] = {}
    if "categories" in changed and not set(row.categories) <= set(Category.values):
        problems["categories"] = [_("It is not one of the categories.")]
    return problems


def set_match(row: Any, fields: Mapping[str, Any], names: Collection[str]) -> None:
    """Store the sets among the conditions of a rule or a silence."""
    for name in names:
        if name in fields:
            getattr(row, name).set(fields[name])


def named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with the names that operators and programs know."""
    return {WIRE.get(name, name): value for name, value in values.items()}


def _save(rule: Rule, changed: Collection[str]) -> None:
    plain = [name for name in PLAIN if name in changed]
    require_row(rule, only=plain)
    try:
        rule.clean_fields(exclude={field.name for field in Rule._meta.fields} - set(plain))
    except ValidationError as error:
        raise InvalidParameter(_("A value is not valid."), **named(error.message_dict)) from error
    problems = {**match_problems(rule, changed), **_hour_problems(rule, changed)}
    if problems:
        raise InvalidParameter(_("A value is not valid."), **problems)
    with unique(name=rule.name):
        rule.save()


def _hour_problems(rule: Rule, changed: Collection[str]) -> dict[str, list[object]]:
    problems: dict[str, list[object]] = {}
    if not isinstance(rule.weekdays, list) or not set(rule.weekdays) <= set(Weekday.values):
        problems["weekdays"] = [_("It is not one of the days.")]
    if (rule.from_time is None) != (rule.to_time is None):
        missing = "fromTime" if rule.from_time is None else "toTime"
        problems[missing] = [_("Enter both times, or none.")]
    elif rule.from_time is not None and rule.from_time == rule.to_time and {"from_time", "to_time"} & set(changed):
        problems["toTime"] = [_("Both times are the same. Enter another, or none for the whole day.")]
    try:
        zone_of(rule.time_zone)
    except ValueError:
        problems["timeZone"] = [_("Enter the name of a time zone, like Asia/Seoul.")]
    return problems


def _details(rule: Rule, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an event says: plain values, and the ids of sets."""
    details = values_of(rule, [name for name in PLAIN if name in fields])
    details |= {name: f"{details[name]:%H:%M}" for name in ("from_time", "to_time") if details.get(name)}
    sets = {name: sorted(row.pk for row in fields[name]) for name in SETS if name in fields}
    return named({**details, **sets})
