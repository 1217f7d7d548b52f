"""Stored texts: translatable sentences with parameters, stored in English and rendered in the reader's language."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.errors import DomainError, Message
from core.texts import LONGEST, legible

SOURCE = "en"  # the language that our texts are written in
TextJson = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredText(Promise):
    """A sentence with parameters, like "%(changed)s devices changed"; `str` renders it in the active language."""

    text: Message
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(self.text) % self.values if self.values else str(self.text)


class Skipped(StoredText):
    """The reason why nothing was done to a row."""


UNCHANGED = Skipped(_("Nothing changed: it was like this already."))


def action_result(result: object) -> object:
    """Return the text that an action shows for a row; a service that returns False has changed nothing."""
    return UNCHANGED if result is False else None if result is True else result


def to_json(text: StoredText | Message) -> TextJson:
    """Return a sentence as JSON, from which `render` makes the sentence again."""
    stored = text if isinstance(text, StoredText) else StoredText(text)
    return {"text": _source(stored.text), "values": {name: _plain(value) for name, value in stored.values.items()}}


def refusal_json(refusal: DomainError) -> TextJson:
    """Return a refusal as JSON: its code, its sentence and the details that people can read."""
    details = {name: _plain(value) for name, value in refusal.details.items() if isinstance(value, str | int | list)}
    said = refusal.message
    sentence = to_json(said) if isinstance(said, StoredText) else {"text": _source(said)}
    return {"code": refusal.code, **sentence, "details": details}


def render(message: TextJson) -> str:
    """Return a stored sentence in the active language; "" for an empty one and for JSON that is no sentence."""
    text, values, details = (message.get(name) for name in ("text", "values", "details"))
    if not isinstance(text, str) or not text:
        return ""
    sentence = _filled(translation.gettext(text), values if isinstance(values, dict) else {})
    readable = details.items() if isinstance(details, dict) else ()
    return with_details(sentence, {name: _rendered(value) for name, value in readable})


def _filled(text: str, values: Mapping[str, object]) -> str:
    """Return a sentence with its values, or without them where the stored values do not fit."""
    try:
        return str(StoredText(text, values))
    except (KeyError, TypeError, ValueError):
        return text


def with_details(sentence: str, details: Mapping[str, object]) -> str:
    """Return a sentence followed by the details that people can read."""
    readable = {name: _joined(value) for name, value in details.items() if isinstance(value, str | int | list)}
    told = ", ".join(f"{name}: {value}" if value != "" else name for name, value in readable.items())
    return f"{sentence} ({told})" if told else sentence


def _joined(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _rendered(value: object) -> object:
    """Render the sentences of a list; other values, like names, stay."""
    if not isinstance(value, list):
        return value
    return [render(one) if isinstance(one, dict) else translation.gettext(one) if one else "" for one in value]


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [to_json(one) if isinstance(one, StoredText) else legible(_source(one)[:LONGEST]) for one in value]
    if isinstance(value, str):
        return legible(value[:LONGEST])
    return value if isinstance(value, int | float | None) else _source(value)


def _source(text: object) -> str:
    with translation.override(SOURCE):
        return str(text)
