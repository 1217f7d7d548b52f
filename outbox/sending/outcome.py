"""What is sent, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from outbox.choices import AttemptResult


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message with all that is needed to send it. Its `repr` shows no address, secret or content."""

    kind: str
    uid: UUID
    content: str = field(repr=False)
    created_at: datetime
    url: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    old_secret: str = field(default="", repr=False)  # signs as well, while a receiver changes to the new one
    recipients: Sequence[str] = field(default=(), repr=False)
    settled: Mapping[str, int] = field(default_factory=dict, repr=False)  # those done with, and what was answered


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """Result of one attempt. `common`: a refusal that is not about this message alone.

    `settled`: recipients of a mail who have it or are refused for good, while others are refused for now. `left`: they
    are, and somebody has the mail. `apart`: it is about recipients alone, and says nothing about the channel.
    """

    result: AttemptResult
    code: int | None = None
    detail: str = ""
    size: int = 0
    latency_ms: int = 0
    retry_after: float | None = None
    common: bool = False
    settled: Mapping[str, int] = field(default_factory=dict)
    left: bool = False
    apart: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the message was accepted."""
        return self.result == AttemptResult.OK

    @property
    def of_channel(self) -> bool:
        """Whether other messages would fare the same now: everything but a refusal of this message (4xx)."""
        if self.accepted or self.apart or self.result == AttemptResult.NOT_RENDERED:
            return False
        if self.result != AttemptResult.REFUSED or self.code is None:
            return True
        return self.common or self.code in BUSY or self.code >= 500


BUSY = (408, 421, 425, 429)


class SendError(Exception):
    """A message was not accepted."""

    def __init__(self, result: AttemptResult, detail: str = "") -> None:
        self.result, self.detail = result, detail
        super().__init__(detail or result)
