"""Import of a noun from a file: its columns, how a row is found, and the services that create and update it.

A line that is carried out says what became of it; the same sentence in a dry run, which is rolled back.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model
from django.utils.translation import gettext_lazy as _

from core.admin.cells import ABSENT, Parse
from core.errors import Conflict, DomainError, InvalidParameter
from core.stored_text import Skipped, StoredText, to_json
from core.texts import problem_in

NEW = _("New.")
CHANGED = _("Changed: %(changes)s")
UNCHANGED = _("Unchanged.")
HIDDEN = "***"
LONGEST = 400


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file: how its cells are read, and what the row says now.

    `parse` gives ABSENT for a cell that says nothing, and raises InvalidParameter or ValueError. A `fixed` one is only
    for new rows; a `secret` one is never shown and never compared.
    """

    name: str
    parse: Parse
    read: Callable[[Any], Any] = lambda _row: None
    needed: bool = False
    fixed: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Importer:
    """The import of a noun. `create` and `update` call services; both get parsed values."""

    columns: Sequence[Column]
    find: Callable[[Mapping[str, Any]], Any]
    create: Callable[[Any, dict[str, Any]], object]
    update: Callable[[Any, Any, dict[str, Any]], object]
    key: tuple[str, ...] = ("name",)
    """The columns by which a row is found; all of them must be in a file, unless `key_needed` is false."""
    key_needed: bool = True
    prefetch: tuple[Any, ...] = ()
    """What the columns read of other tables."""
    together: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Columns that `update` also gets when another one changes, as its service would change them, too."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Which column a parameter of a DomainError is about, where the names differ."""

    def carry_out(self, actor: Any, line: Mapping[str, Any]) -> StoredText:
        """Make or change the row of a line, as {"cells", "fate"}; another fate than the one shown is refused.

        Raises DomainError, with details that name the column.
        """
        if problem := line.get("problem"):
            raise InvalidParameter(problem, **line.get("details", {}))
        try:
            said = self._do(actor, self._values(line["cells"]))
        except DomainError as refusal:
            refusal.details = {self.names.get(name, name): self._named(name, refusal) for name in refusal.details}
            raise
        if line.get("fate") and to_json(said) != line["fate"]:
            raise Conflict(_("It is not what was shown any more. Make another dry run."))
        return said

    def _named(self, name: str, refusal: DomainError) -> object:
        value = refusal.details[name]
        return self.names.get(str(value), value) if name == "parameter" else value

    def _values(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        problems: dict[str, Any] = {}
        values: dict[str, Any] = {}
        for column in self.columns:
            if column.name not in cells:
                continue
            if wrong := problem_in(cells[column.name]):
                problems[column.name] = [wrong]
                continue
            try:
                value = column.parse(cells[column.name])
            except InvalidParameter as refusal:
                problems[column.name] = refusal.details.get("said") or [refusal.message, *refusal.details.values()]
            except (ValueError, TypeError, OverflowError, RecursionError):
                problems[column.name] = [_("It cannot be read.")]
            else:
                if value is not ABSENT:
                    values[column.name] = value
        if problems:
            raise InvalidParameter(_("A value is not valid."), **problems)
        return values

    def _do(self, actor: Any, values: dict[str, Any]) -> StoredText:
        row = self.find(values)
        if row is None:
            missing: dict[str, Any] = {
                column.name: [_("It is needed.")]
                for column in self.columns
                if column.needed and values.get(column.name) in (None, "")
            }
            if missing:
                raise InvalidParameter(_("A value is not valid."), **missing)
            self.create(actor, values)
            return StoredText(NEW)
        changes = self._changes(row, values)
        if not changes:
            return Skipped(UNCHANGED)
        text = _short("; ".join(f"{name}: {before} → {after}" for name, (before, after) in changes.items()))
        beside = {name for changed in changes for name in self.together.get(changed, ()) if name in values}
        self.update(actor, row, {name: values[name] for name in (*changes, *(beside - changes.keys()))})
        return StoredText(CHANGED, {"changes": text})

    def _changes(self, row: Any, values: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
        changes = {}
        for column in self.columns:
            if column.name not in values or column.name in self.key:
                continue
            if column.secret:
                changes[column.name] = (HIDDEN, HIDDEN)
                continue
            before, after = column.read(row), _comparable(values[column.name])
            if before in (after, values[column.name]):
                continue
            if column.fixed:
                raise InvalidParameter(_("It is set when the row is made, and stays."), parameter=column.name)
            changes[column.name] = (_shown(before), _shown(after))
        return changes


IMPORTERS: dict[type[Model], Importer] = {}


def _short(text: str) -> str:
    """Cut a long sentence so that two different ones stay different."""
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}… #{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"


def _comparable(value: Any) -> Any:
    if isinstance(value, Model):
        return str(value)
    if isinstance(value, str):
        return value.strip()
    return sorted(map(_key_of, value)) if isinstance(value, list) else value


def _key_of(value: Any) -> Any:
    return str(value) if isinstance(value, Model) and hasattr(value, "name") else getattr(value, "pk", value)


def _shown(value: Any) -> str:
    if isinstance(value, dict | bool):  # "true" and "false", as files write them
        return json.dumps(value, ensure_ascii=False)
    text = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return text or "–"  # noqa: RUF001
