"""The proof that statements say what was used: of every issued one, with its corrections, against the usage of now."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime

from billing.choices import StatementStatus
from billing.models import Statement
from billing.queries.bills import billed
from usage.queries import Billed, device_ms_billed


@dataclass(slots=True)
class Proof:
    """How many statements and corrections were looked at, and every difference that was found."""

    statements: int = 0
    device_ms: int = 0
    differences: list[str] = field(default_factory=list)


def prove() -> Proof:
    """Compare the device-milliseconds of every issued statement, with its corrections, with the usage of its month."""
    issued = Statement.objects.filter(status=StatementStatus.ISSUED).order_by()
    proof = Proof(issued.count())
    for month, start, end in issued.values_list("month", "starts_at", "ends_at").distinct().order_by("month"):
        _look_at(proof, month, start, end)
    return proof


def _look_at(proof: Proof, month: date, start: datetime, end: datetime) -> None:
    sums: Counter[Billed] = Counter()
    of = Statement.objects.filter(month=month, starts_at=start, ends_at=end, status=StatementStatus.ISSUED)
    tokens = set(of.order_by().values_list("token_id", flat=True))
    for token, bill in billed(month).items():
        for kind, line in bill.items() if token in tokens else ():
            sums[Billed(token, kind.sda_model, kind.device_model)] += line.times.device_ms
    used = {key: ms for key, ms in device_ms_billed(start, end).items() if key.token in tokens}
    proof.device_ms += sum(sums.values())
    proof.differences += _differences(month, sums, used)


def _differences(month: date, sums: Counter[Billed], used: dict[Billed, int]) -> Iterator[str]:
    for key in sorted(sums.keys() | used.keys()):
        if sums[key] != used.get(key, 0):
            what = f"token {key.token} as SDA model {key.sda_model}, {key.device_model}"
            yield f"statement {month:%Y-%m} {what}: billed {sums[key]} ms, used {used.get(key, 0)} ms"
