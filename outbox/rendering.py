"""Kinds of messages. The app that owns a kind registers how its payloads are rendered; that happens when they leave."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils import translation

from core.errors import Message

Payloads = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message in one language: subject, text and HTML for people, `data` for programs; `type` names it to those."""

    subject: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    html: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True)
class MessageKind:
    """A kind of message. `sample` returns payloads for the preview. One that is `attempted_once` is not tried again.

    Lists leave out what comes `in_masses`, unless it is asked for.
    """

    name: str
    label: Message
    render: Callable[[Payloads, str], Rendered]
    sample: Callable[[], Payloads]
    attempted_once: bool = False
    in_masses: bool = False


KINDS: dict[str, MessageKind] = {}


def register_kind(kind: MessageKind) -> None:
    """Let deliveries of this kind be rendered. Call it when the app that owns the kind is ready."""
    KINDS[kind.name] = kind


def label_of(kind: str) -> Message:
    """Return what people call a kind; its name if no app registered it."""
    return KINDS[kind].label if kind in KINDS else kind


def render_message(kind: str, payloads: Payloads, language: str) -> Rendered:
    """Return payloads of a kind as one message in a language. Raises KeyError for a kind that no app registered."""
    with translation.override(language):
        return KINDS[kind].render(payloads, language)
