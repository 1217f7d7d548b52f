"""Parameters of alerts: plain values and translatable sentences, kept as JSON and rendered in the reader's language."""

from collections.abc import Mapping
from typing import Any

from django.utils import translation
from django.utils.functional import Promise

from alerts.codes import TEMPLATES, Template
from core.masking import masked_text
from core.stored_text import SOURCE, StoredText
from core.texts import LONGEST, legible

KNOWN: Mapping[str, Template] = {code.value: template for code, template in TEMPLATES.items()}
LONGEST_TEXT = 2 * LONGEST  # of a whole alert


def to_params(values: Mapping[str, object]) -> dict[str, Any]:
    """Return parameters as they are stored: legible, of limited length, without what has the shape of a secret."""
    return {name: _plain(value) for name, value in values.items()}


def render(code: str, params: Mapping[str, Any]) -> str:
    """Return the sentence of an alert in the active language.

    A code that is not known, as a later version may have stored, reads as its name and parameters.
    """
    values = {name: _shown(value) for name, value in params.items()}
    template = KNOWN.get(code)
    try:
        text = str(template.text) % values if template else ""
    except (KeyError, TypeError, ValueError):
        text = ""
    listed = ", ".join(f"{name}: {value}" for name, value in values.items())
    return (text or f"{code} ({listed})")[:LONGEST_TEXT]


def _plain(value: object) -> Any:
    match value:
        case StoredText():
            return {"text": _source(value.text), "values": to_params(value.values)}
        case Promise():
            return {"text": _source(value)}
        case None | bool() | int() | float():
            return value
        case list() | tuple():
            return [_plain(one) for one in value]
    label = getattr(value, "label", None)  # a member of choices reads as its label
    return {"text": _source(label)} if label else masked_text(legible(str(value)[:LONGEST]))


def _shown(value: Any, between: str = "; ") -> Any:
    match value:
        case {"text": str(text), **rest}:
            return _sentence(text, rest.get("values"))
        case list():
            parts = [str(_shown(one)) for one in value]
            return (between if any(isinstance(one, dict) for one in value) else ", ").join(parts)
        case None:
            return "–"  # noqa: RUF001
    return value


def _sentence(text: str, values: Any) -> str:
    sentence = translation.gettext(text) if text else ""
    try:
        return sentence % {name: _shown(one, " ") for name, one in values.items()} if values else sentence
    except (AttributeError, KeyError, TypeError, ValueError):
        return sentence


def _source(text: object) -> str:
    with translation.override(SOURCE):
        return str(text)
