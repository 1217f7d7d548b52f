"""Stored responses by idempotency key. The first one is stored in the transaction of its changes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from core.clock import db_now
from idempotency.errors import KeyReused
from idempotency.models import KeptAnswer

RETENTION = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and JSON body of an answer, and whether asking again must give the same."""

    status: int
    body: str
    final: bool = True
    again: bool = False


@transaction.atomic
def answer_once(operator_id: int, key: str, fingerprint: str, carry_out: Callable[[], Answer]) -> Answer:
    """Carry out a request, or return its first response; a second one at the same time waits for the first.

    `carry_out` rolls back what a refusal leaves half-done. Raises KeyReused when the request differs from the first.
    """
    now = db_now()
    KeptAnswer.objects.filter(operator_id=operator_id, key=key, kept_at__lte=now - RETENTION).delete()
    row, first = KeptAnswer.objects.get_or_create(
        operator_id=operator_id, key=key, defaults={"fingerprint": fingerprint, "kept_at": now}
    )
    if not first:
        return _first_answer(row, fingerprint)
    answer = carry_out()
    mine = KeptAnswer.objects.filter(pk=row.pk)
    if answer.final:
        mine.update(status=answer.status, body=answer.body)
    else:
        mine.delete()
    return answer


def _first_answer(row: KeptAnswer, fingerprint: str) -> Answer:
    if row.fingerprint != fingerprint:
        raise KeyReused(parameter="Idempotency-Key")
    return Answer(row.status, str(row.body), again=True)


def forget_answers() -> int:
    """Delete kept answers that are older than 24 hours; return how many."""
    return KeptAnswer.objects.filter(kept_at__lte=db_now() - RETENTION).delete()[0]
