"""Subjects: what alerts are about. The apps that own these things register how they are read."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Model
from django.urls import NoReverseMatch, reverse

from alerts.choices import SubjectKind


class Subject(NamedTuple):
    """A thing that an alert is about: a SubjectKind and an id; `str` is like "backend/12", as in events."""

    kind: str
    id: int

    def __str__(self) -> str:
        return f"{self.kind!s}/{self.id}"


SYSTEM = Subject(SubjectKind.SYSTEM, 0)


def node(pk: int) -> Subject:
    """Return a node as a subject."""
    return Subject(SubjectKind.NODE, pk)


def device(pk: int) -> Subject:
    """Return a device as a subject."""
    return Subject(SubjectKind.DEVICE, pk)


def job(pk: int) -> Subject:
    """Return a job as a subject."""
    return Subject(SubjectKind.JOB, pk)


def customer(token_id: int) -> Subject:
    """Return a customer's token as a subject."""
    return Subject(SubjectKind.TOKEN, token_id)


def budget(pk: int) -> Subject:
    """Return a budget as a subject."""
    return Subject(SubjectKind.BUDGET, pk)


def node_group(pk: int) -> Subject:
    """Return a backend group as a subject."""
    return Subject(SubjectKind.NODE_GROUP, pk)


def parse_subject(text: str) -> Subject | None:
    """Return the subject that is written like "backend/12", None if the text is none."""
    kind, _slash, number = text.strip().partition("/")
    if kind not in SubjectKind.values or not number.isdecimal() or len(number) > 18:
        return None
    return Subject(SubjectKind(kind), int(number))


@dataclass(frozen=True, slots=True)
class SubjectSource:
    """How the things of one kind are read: a model, and paths of columns from its row; "" where there is none.

    `name` is the name that people know, `group` the backend group, `customer` the token, `tags` many-to-many; a group
    or customer is "pk" where the thing itself is one.
    """

    model: type[Model]
    name: str = ""
    group: str = ""
    customer: str = ""
    tags: str = ""
    index: str = ""


SOURCES: dict[str, SubjectSource] = {}


def register(sources: Mapping[str, SubjectSource]) -> None:
    """Store how the things that an app owns are read; the app calls it when it is ready."""
    SOURCES.update(sources)


@dataclass(frozen=True, slots=True)
class SubjectFacts:
    """What people and rules know a subject by; what it has not, or is no longer stored, is None or empty."""

    name: str = ""
    group_id: int | None = None
    group: str = ""
    token_id: int | None = None
    token: str = ""
    tags: tuple[str, ...] = ()
    index: int | None = None

    @property
    def title(self) -> str:
        """Return the name, for a device with its index."""
        return self.name if self.index is None else f"{self.name} {self.index:02}"


NOTHING_KNOWN = SubjectFacts()


def describe(subjects: Iterable[Subject], *, tags: bool = True) -> Mapping[Subject, SubjectFacts]:
    """Return the facts of some subjects, deleted ones included: one query per kind, and one more if it has tags.

    Without `tags` they are left out, with their query.
    """
    ids: dict[str, set[int]] = defaultdict(set)
    for subject in subjects:
        ids[subject.kind].add(subject.id)
    return {
        Subject(kind, pk): facts
        for kind, pks in ids.items()
        if kind in SOURCES
        for pk, facts in _facts(SOURCES[kind], pks, tags=tags).items()
    }


def _facts(source: SubjectSource, pks: set[int], *, tags: bool) -> dict[int, SubjectFacts]:
    paths = {
        "name": source.name,
        "group_id": key_path(source.group),
        "group": _path(source.group, "name"),
        "token_id": key_path(source.customer),
        "token": _path(source.customer, "description"),
        "index": source.index,
    }
    names = {name: path for name, path in paths.items() if path}
    rows = source.model._base_manager.filter(pk__in=pks)
    known = _tags(source, pks) if tags else {}
    return {
        pk: SubjectFacts(**dict(zip(names, values, strict=True)), tags=tuple(known.get(pk, ())))
        for pk, *values in rows.values_list("pk", *names.values())
    }


def key_path(path: str) -> str:
    """Return the path of the key of the row that a path leads to; "" for no path."""
    return path and (path if path == "pk" else f"{path}_id")


def _path(path: str, column: str) -> str:
    return path and (column if path == "pk" else f"{path}__{column}")


def _tags(source: SubjectSource, pks: set[int]) -> Mapping[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    if source.tags:
        rows = source.model._base_manager.filter(pk__in=pks, **{f"{source.tags}__isnull": False})
        for pk, name in rows.order_by(f"{source.tags}__name").values_list("pk", f"{source.tags}__name"):
            found[pk].append(name)
    return found


def named(subject: Subject, facts: SubjectFacts) -> str:
    """Return what people call a subject, like "node gpu-1", in the active language."""
    kind = SubjectKind(subject.kind).label if subject.kind in SubjectKind.values else subject.kind
    name = facts.title or (f"#{subject.id}" if subject.kind != SubjectKind.SYSTEM else "")
    return f"{kind} {name}".strip()


def page_of(subject: Subject) -> str:
    """Return the path of the admin page of a subject, "" if it has none."""
    source = SOURCES.get(subject.kind)
    if source is None:
        return ""
    options = source.model._meta
    try:
        return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[subject.id])
    except NoReverseMatch:
        return ""
