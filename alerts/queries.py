from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Case, Count, F, Max, Q, QuerySet, When

from alerts.choices import SEVERITY, Category, Level, SubjectKind
from alerts.models import OPEN, Alert
from alerts.subjects import NOTHING_KNOWN, SOURCES, Subject, SubjectFacts, SubjectSource, describe, key_path


def alerts_about(subject: Subject) -> QuerySet[Alert]:
    """Return the alerts about one thing, open or cleared, the newest first."""
    return Alert.objects.filter(subject_kind=subject.kind, subject_id=subject.id).order_by("-id")


class AlertContent(NamedTuple):
    """What an alert says."""

    level: Level
    code: str
    params: Mapping[str, Any]


def open_contents(category: Category) -> Mapping[Subject, AlertContent]:
    """Return what the open alerts of a category say, by what they are about."""
    rows = Alert.objects.filter(OPEN, category=category).order_by()
    return {
        Subject(kind, pk): AlertContent(Level(level), code, params)
        for kind, pk, level, code, params in rows.values_list("subject_kind", "subject_id", *AlertContent._fields)
    }


@dataclass(frozen=True, slots=True)
class OpenAlerts:
    """How many alerts about a thing are open, and the most urgent level of them."""

    number: int = 0
    level: str = ""


RANK = Case(*(When(level=level, then=rank) for level, rank in SEVERITY.items()), default=0)
LEVELS = {rank: level for level, rank in SEVERITY.items()}


def open_alerts_of(kind: SubjectKind, ids: Iterable[int]) -> Mapping[int, OpenAlerts]:
    """Return the open alerts about some things of one kind, by id, in one query; a thing without any is absent."""
    rows = Alert.objects.filter(OPEN, subject_kind=kind, subject_id__in=list(ids)).order_by()
    counted = rows.values_list("subject_id").annotate(number=Count("pk"), worst=Max(RANK))
    return {pk: OpenAlerts(number, LEVELS[worst]) for pk, number, worst in counted}


def most_alerted(kind: SubjectKind, most: int) -> Mapping[int, OpenAlerts]:
    """Return the things of one kind with the most urgent open alerts, the worst first, in one query."""
    rows = Alert.objects.filter(OPEN, subject_kind=kind).order_by()
    counted = rows.values_list("subject_id").annotate(number=Count("pk"), worst=Max(RANK))
    worst_first = counted.order_by("-worst", "-number", "subject_id")[:most]
    return {pk: OpenAlerts(number, LEVELS[worst]) for pk, number, worst in worst_first}


def open_first(alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    """Return alerts with the open ones first, then by when they were raised, the newest first."""
    return alerts.order_by(F("cleared_at").desc(nulls_first=True), "-pk")


def open_ids(category: Category, kind: SubjectKind) -> set[int]:
    """Return the ids of the things of one kind about which an alert of a category is open."""
    return set(Alert.objects.filter(OPEN, category=category, subject_kind=kind).values_list("subject_id", flat=True))


def about_groups(group_ids: Collection[int]) -> Q:
    """Return the alerts about some backend groups, and about what is in them now."""
    return _about(lambda source: key_path(source.group), group_ids)


def about_customers(token_ids: Collection[int]) -> Q:
    """Return the alerts about some tokens, and about what belongs to them."""
    return _about(lambda source: key_path(source.customer), token_ids)


def about_tagged(tag_ids: Collection[int]) -> Q:
    """Return the alerts about what has one of some tags."""
    return _about(lambda source: source.tags, tag_ids)


def _about(path_of: Callable[[SubjectSource], str], pks: Collection[int]) -> Q:
    about = Q(pk__in=())
    for kind, source in SOURCES.items():
        if path := path_of(source):
            ids = source.model._base_manager.filter(**{f"{path}__in": pks}).values("pk")
            about |= Q(subject_kind=kind, subject_id__in=ids)
    return about


@dataclass(frozen=True, slots=True)
class KnownAlert:
    """An alert with what is known of its subject: all that a message, and a rule that matches it, needs.

    `alert.text` is rendered in the active language; `page_of(alert.subject)` is the page of the subject.
    """

    alert: Alert
    facts: SubjectFacts


def alerts_with(ids: Collection[int]) -> list[KnownAlert]:
    """Return alerts with the facts of their subjects, by id; two queries per kind of subject at most, and one."""
    return with_facts(Alert.objects.filter(pk__in=ids).order_by("pk"))


def with_facts(alerts: Iterable[Alert], *, tags: bool = True) -> list[KnownAlert]:
    """Return alerts with the facts of their subjects, in their order."""
    rows = list(alerts)
    facts = describe((alert.subject for alert in rows), tags=tags)
    return [KnownAlert(alert, facts.get(alert.subject, NOTHING_KNOWN)) for alert in rows]
