"""Sentences that are kept as their source text, and said in the language of whoever reads them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import translation

from moreh_cloud.lib.errors import DomainError, Message

SOURCE = "en"  # the language that our texts are written in
Kept = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence with places in it, like "%(changed)s devices changed"; `str` says it in the language of now."""

    text: Message
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(self.text) % self.values if self.values else str(self.text)


class LeftOut(Said):
    """Says that nothing was done to a row, and why."""


def kept(said: Said | Message) -> Kept:
    """Give a sentence as JSON that `say` makes a sentence of again."""
    said = said if isinstance(said, Said) else Said(said)
    return {"text": _source(said.text), "values": {name: _plain(value) for name, value in said.values.items()}}


def kept_refusal(refusal: DomainError) -> Kept:
    """Give what a service refused as JSON: its code, its sentence and the details that people can read."""
    details = {name: _plain(value) for name, value in refusal.details.items() if isinstance(value, str | int | list)}
    return {"code": refusal.code, "text": _source(refusal.message), "details": details}


def say(message: Kept) -> str:
    """Say a kept sentence in the language of now; an empty one is ''."""
    if not message:
        return ""
    said = str(Said(translation.gettext(message["text"]), message.get("values") or {}))
    details = {name: _said(value) for name, value in message.get("details", {}).items()}
    return with_details(said, details)


def with_details(sentence: str, details: Mapping[str, object]) -> str:
    """Put the details that people can read behind a sentence."""
    readable = {name: _joined(value) for name, value in details.items() if isinstance(value, str | int | list)}
    told = ", ".join(f"{name}: {value}" if value != "" else name for name, value in readable.items())
    return f"{sentence} ({told})" if told else sentence


def _joined(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _said(value: object) -> object:
    """Say the sentences in a list; what is no sentence of ours, like a name, stays."""
    if not isinstance(value, list):
        return value
    return [say(one) if isinstance(one, dict) else translation.gettext(one) if one else "" for one in value]


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [kept(one) if isinstance(one, Said) else _source(one) for one in value]
    return value if isinstance(value, str | int | float | None) else _source(value)


def _source(text: object) -> str:
    with translation.override(SOURCE):
        return str(text)
