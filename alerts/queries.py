from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from alerts.choices import Category, Level, SubjectKind
from alerts.models import OPEN, Alert
from alerts.subjects import NOTHING_KNOWN, SOURCES, Subject, SubjectFacts, SubjectSource, describe, key_path


def alerts_about(subject: Subject) -> QuerySet[Alert]:
    """Return the alerts about one thing, open or cleared, the newest first."""
    return Alert.objects.filter(subject_kind=subject.kind, subject_id=subject.id).order_by("-id")


def open_levels(category: Category) -> Mapping[Subject, Level]:
    """Return the levels of the open alerts of a category, by what they are about."""
    rows = Alert.objects.filter(OPEN, category=category).order_by()
    return {
        Subject(kind, pk): Level(level) for kind, pk, level in rows.values_list("subject_kind", "subject_id", "level")
    }


def count_open(kind: SubjectKind, ids: Iterable[int]) -> Mapping[int, int]:
    """Count the open alerts about some things of one kind, by id; a thing without any is absent."""
    rows = Alert.objects.filter(OPEN, subject_kind=kind, subject_id__in=list(ids)).order_by()
    return dict(rows.values_list("subject_id").annotate(number=Count("pk")))


def open_ids(category: Category, kind: SubjectKind) -> set[int]:
    """Return the ids of the things of one kind about which an alert of a category is open."""
    return set(Alert.objects.filter(OPEN, category=category, subject_kind=kind).values_list("subject_id", flat=True))


def about_group(group_id: int) -> Q:
    """Return the alerts about a backend group, and about what is in it now."""
    return _about(lambda source: key_path(source.group), group_id)


def about_customer(token_id: int) -> Q:
    """Return the alerts about a token, and about what belongs to it."""
    return _about(lambda source: key_path(source.customer), token_id)


def _about(path_of: Callable[[SubjectSource], str], pk: int) -> Q:
    about = Q(pk__in=())
    for kind, source in SOURCES.items():
        if path := path_of(source):
            ids = source.model._base_manager.filter(**{path: pk}).values("pk")
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


def with_facts(alerts: Iterable[Alert]) -> list[KnownAlert]:
    """Return alerts with the facts of their subjects, in their order."""
    rows = list(alerts)
    facts = describe(alert.subject for alert in rows)
    return [KnownAlert(alert, facts.get(alert.subject, NOTHING_KNOWN)) for alert in rows]
