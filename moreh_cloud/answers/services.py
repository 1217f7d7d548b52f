"""Answers by key: the first one is kept in the transaction of what it tells of, so both are there or neither."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from moreh_cloud.answers.errors import KeyReused
from moreh_cloud.answers.models import KeptAnswer
from moreh_cloud.lib.clock import db_now

KEPT_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and JSON body of an answer, and whether asking again must give the same."""

    status: int
    body: str
    final: bool = True
    again: bool = False


@transaction.atomic
def answer_once(operator_id: int, key: str, fingerprint: str, carry_out: Callable[[], Answer]) -> Answer:
    """Carry a request out, or give the first answer again; who asks at the same time waits for it.

    `carry_out` rolls back what a refusal leaves half-done. Raises KeyReused when the request differs from the first.
    """
    now = db_now()
    KeptAnswer.objects.filter(operator_id=operator_id, key=key, kept_at__lte=now - KEPT_FOR).delete()
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
    return Answer(row.status, row.body, again=True)


def forget_answers() -> int:
    """Delete kept answers that are older than 24 hours; give how many."""
    return KeptAnswer.objects.filter(kept_at__lte=db_now() - KEPT_FOR).delete()[0]
