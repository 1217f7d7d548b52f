"""What a noun's import knows: its columns, how a row is found, and the services that make and change it.

A line that is carried out says what became of it; the same sentence in a dry run, which is rolled back.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import CharField, Model, TextField
from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.errors import Conflict, DomainError, InvalidParameter
from moreh_cloud.lib.said import LeftOut, Said, kept

NEW = _("New.")
CHANGED = _("Changed: %(changes)s")
UNCHANGED = _("Unchanged.")
HIDDEN = "***"
LONGEST = 400
ABSENT = object()
FLAGS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False, "": ABSENT, "none": ABSENT}
Parse = Callable[[Any], Any]


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
    """How the rows of a noun come from a file. `create` and `update` call services; both get parsed values."""

    columns: Sequence[Column]
    find: Callable[[Mapping[str, Any]], Any]
    create: Callable[[Any, dict[str, Any]], object]
    update: Callable[[Any, Any, dict[str, Any]], object]
    key: tuple[str, ...] = ("name",)
    """The columns by which a row is found; all of them must be in a file, unless `key_needed` is false."""
    key_needed: bool = True
    prefetch: tuple[Any, ...] = ()
    """What the columns read of other tables."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Which column a parameter of a DomainError is about, where the names differ."""

    def carry_out(self, actor: Any, line: Mapping[str, Any]) -> Said:
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
        if line.get("fate") and kept(said) != line["fate"]:
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
            try:
                value = column.parse(cells[column.name])
            except InvalidParameter as refusal:
                problems[column.name] = refusal.details.get("said") or [refusal.message, *refusal.details.values()]
            except (ValueError, TypeError):
                problems[column.name] = [_("It cannot be read.")]
            else:
                if value is not ABSENT:
                    values[column.name] = value
        if problems:
            raise InvalidParameter(_("A value is not valid."), **problems)
        return values

    def _do(self, actor: Any, values: dict[str, Any]) -> Said:
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
            return Said(NEW)
        changes = self._changes(row, values)
        if not changes:
            return LeftOut(UNCHANGED)
        told = _short("; ".join(f"{name}: {before} → {after}" for name, (before, after) in changes.items()))
        self.update(actor, row, {name: values[name] for name in changes})
        return Said(CHANGED, {"changes": told})

    def _changes(self, row: Any, values: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
        changes = {}
        for column in self.columns:
            if column.name not in values or column.name in self.key:
                continue
            if column.secret:
                changes[column.name] = (HIDDEN, HIDDEN)
                continue
            before, after = column.read(row), _comparable(values[column.name])
            if before == after:
                continue
            if column.fixed:
                raise InvalidParameter(_("It is set when the row is made, and stays."), parameter=column.name)
            changes[column.name] = (_shown(before), _shown(after))
        return changes


IMPORTERS: dict[type[Model], Importer] = {}


def _short(told: str) -> str:
    """Cut a long sentence so that two different ones stay different."""
    if len(told) <= LONGEST:
        return told
    return f"{told[:LONGEST]}… #{hashlib.blake2b(told.encode(), digest_size=4).hexdigest()}"


def _comparable(value: Any) -> Any:
    if isinstance(value, Model):
        return str(value)
    return sorted(map(_key_of, value)) if isinstance(value, list) else value


def _key_of(value: Any) -> Any:
    return str(value) if isinstance(value, Model) and hasattr(value, "name") else getattr(value, "pk", value)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"  # noqa: RUF001
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def by_field(model: type[Model], name: str) -> Parse:
    """Make a reader that judges as the field of a model does; an empty cell empties a text, else it says nothing."""
    judge: Any = model._meta.get_field(name)
    is_text = isinstance(judge, CharField | TextField) and not judge.choices

    def parse(cell: Any) -> Any:
        if cell in ("", None):
            return "" if is_text and judge.blank else ABSENT
        if isinstance(cell, dict | list) or (is_text and isinstance(cell, bool)):
            raise ValueError
        try:
            return judge.clean(str(cell) if is_text else cell, None)
        except ValidationError as error:
            raise InvalidParameter(said=[Said(one.message, one.params or {}) for one in error.error_list]) from None

    return parse


def key_text(cell: Any) -> Any:
    """Read a name; an empty cell says nothing."""
    if isinstance(cell, bool | dict | list):
        raise ValueError
    return ABSENT if cell is None else str(cell).strip() or ABSENT


def hidden_text(cell: Any) -> Any:
    """Read a secret; an empty cell leaves what is stored."""
    return ABSENT if cell in ("", None) else str(cell)


def number(cell: Any) -> Any:
    """Read a whole number; an empty cell says nothing."""
    if cell in ("", None):
        return ABSENT
    if isinstance(cell, bool) or abs(int(cell)) > 2**31 - 1 or int(cell) != float(cell):
        raise ValueError
    return int(cell)


def flag(cell: Any) -> Any:
    """Read yes or no, as our files and spreadsheets write it; an empty cell says nothing."""
    told = str(cell).strip().lower()
    if told not in FLAGS:
        raise ValueError
    return FLAGS[told]


def names_of(cell: Any) -> list[str]:
    """Read a list: JSON, or parts between semicolons."""
    if isinstance(cell, str):
        cell = json.loads(cell) if cell.strip().startswith("[") else cell.split(";")
    if not isinstance(cell, list):
        raise ValueError
    return [name for name in (str(part).strip() for part in cell) if name]


def document(cell: Any) -> Any:
    """Read a JSON object; an empty cell says nothing."""
    if cell in ("", None):
        return ABSENT
    value = json.loads(cell) if isinstance(cell, str) else cell
    if not isinstance(value, dict):
        raise ValueError
    return value


def row_named(rows: Callable[[], Any], by: str = "name") -> Parse:
    """Make a reader of the name of a row of another table; an empty cell says nothing."""

    def parse(cell: Any) -> Any:
        name = key_text(cell)
        if name is ABSENT:
            return ABSENT
        found = rows().filter(**{by: name}).first()
        if found is None:
            raise InvalidParameter(_("There is no such object."), name=str(name))
        return found

    return parse


def rows_named(rows: Callable[[], Any], by: str = "name") -> Parse:
    """Make a reader of a list of rows of another table."""

    def parse(cell: Any) -> list[Any]:
        wanted = names_of(cell)
        found = {str(getattr(row, by)): row for row in rows().filter(**{f"{by}__in": wanted})}
        if missing := [name for name in wanted if name not in found]:
            raise InvalidParameter(_("There is no such object."), name=", ".join(missing))
        return [found[name] for name in dict.fromkeys(wanted)]

    return parse
