"""Actions on the pages of closed months: create, issue and correct the statements of a month."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing.services.failing import FailedStatement, sentences
from billing.services.statements import Made, correct_statements, make_statements
from core.admin import confirmed
from core.errors import Message
from core.stored_text import StoredText
from events.actor import Actor
from usage.admin import ClosedMonthAdmin, register_months

NAMED = 10
MADE = _("Statements made: %(made)s, of them issued: %(issued)s; issued before: %(kept)s.")
MADE_BUT = _(
    "Statements made: %(made)s, of them issued: %(issued)s; issued before: %(kept)s. %(failed)s failed: %(names)s"
)
CORRECTED_BUT = _("Corrections issued: %(corrected)s. %(failed)s failed: %(names)s")


@register_months
class MonthAdmin(ClosedMonthAdmin):
    """The list and the pages of closed months."""

    actions = ("make", "issue", "correct")
    actions_detail: Any = ("make", "issue", "correct")

    @confirmed(
        _("Make statements"),
        explanation=_("A draft of each token that used something, or the draft again. What is issued stays as it is."),
        icon="receipt_long",
    )
    def make(self, actor: Actor, row: Any, _data: dict[str, Any]) -> StoredText:
        return _made(make_statements(timezone.localdate(row.month), actor=actor))

    @confirmed(
        _("Make and issue statements"),
        explanation=_(
            "Statements of all tokens are made and frozen: nobody can change them any more, only correct them."
        ),
        icon="verified",
        dangerous=True,
    )
    def issue(self, actor: Actor, row: Any, _data: dict[str, Any]) -> StoredText:
        return _made(make_statements(timezone.localdate(row.month), actor=actor, issue=True))

    @confirmed(
        _("Correct statements"),
        explanation=_(
            "Of each issued statement that usage and prices of now say otherwise, a correction is issued, for good."
        ),
        icon="difference",
        dangerous=True,
    )
    def correct(self, actor: Actor, row: Any, _data: dict[str, Any]) -> StoredText:
        corrected = correct_statements(timezone.localdate(row.month), actor=actor)
        text = _("Corrections issued: %(corrected)s.")
        return _summary(text, CORRECTED_BUT, {"corrected": corrected.issued}, corrected.failed)


def _made(made: Made) -> StoredText:
    figures = {"made": made.made, "issued": made.issued, "kept": made.left}
    return _summary(MADE, MADE_BUT, figures, made.failed)


def _summary(
    text: Message, but: Message, figures: Mapping[str, object], failed: Sequence[FailedStatement]
) -> StoredText:
    """Return how many were made; the customers whose statements failed are named, the first of many."""
    if not failed:
        return StoredText(text, figures)
    return StoredText(but, {**figures, "failed": len(failed), "names": "; ".join(sentences(failed[:NAMED]))})
