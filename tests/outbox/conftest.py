from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from outbox.rendering import KINDS, MessageKind, Payloads, Rendered, register_kind
from tests.outbox.receiver import HttpReceiver, receiving


def _render(payloads: Payloads, language: str) -> Rendered:
    numbers = [one["number"] for one in payloads]
    return Rendered(f"{language}: {numbers}", "<b>", {"numbers": numbers}, html="<p>", type="note.made")


@pytest.fixture(autouse=True)
def _note_kind() -> Iterator[None]:
    """A kind of message of the tests."""
    register_kind(MessageKind("note", "note", _render, lambda: [{"number": 1}]))
    yield
    KINDS.pop("note")


@pytest.fixture(autouse=True)
def _patience(settings: Any) -> None:
    """Loopback may be sent to, soon and often."""
    settings.MOREH_OUTBOX_HTTP = True
    settings.MOREH_OUTBOX_NETWORKS = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    settings.MOREH_OUTBOX_TIMEOUT = timedelta(seconds=0.5)


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    """A receiver that accepts everything."""
    with receiving() as made:
        yield made
