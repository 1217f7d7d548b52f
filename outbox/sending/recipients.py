"""What it means for a mail that a server refuses some of its recipients, for now (4xx) or for good (5xx)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from outbox.choices import AttemptResult
from outbox.sending.outcome import SendOutcome

Refusal = tuple[int, bytes]
GOES_AWAY = 421  # the server ends the exchange: nobody got anything
FOR_GOOD = 500
OK = 250


def outcome_of_recipients(
    tried: Sequence[str], refused: Mapping[str, Refusal], settled: Mapping[str, int], size: int
) -> SendOutcome:
    """Return the outcome of a mail to some recipients; `settled` are those who were done with before.

    Who is refused for now is tried again alone. Once somebody has the mail, it counts as accepted.
    """
    if any(code == GOES_AWAY for code, _said in refused.values()):
        return replace(_nobody(refused, size), common=True)
    accepted = [one for one in tried if one not in refused]
    later = [one for one in refused if _is_for_now(refused[one])]
    done = dict.fromkeys(accepted, OK) | {one: refused[one][0] for one in refused if one not in later}
    reached = bool(accepted) or is_reached(settled)
    outcome = SendOutcome(AttemptResult.OK, OK, _listed(refused), size) if accepted else _nobody(refused, size)
    apart = reached and not accepted
    return replace(
        outcome, common=not reached, apart=apart, settled=done if later else {}, left=reached and bool(later)
    )


def is_reached(settled: Mapping[str, int]) -> bool:
    """Whether somebody has the mail."""
    return OK in settled.values()


def _nobody(refused: Mapping[str, Refusal], size: int) -> SendOutcome:
    code, said = next((one for one in refused.values() if _is_for_now(one)), next(iter(refused.values())))
    detail = reply_text(said) if len(refused) == 1 else _listed(refused)
    return SendOutcome(AttemptResult.REFUSED, code, detail, size)


def _is_for_now(refusal: Refusal) -> bool:
    return refusal[0] < FOR_GOOD


def reply_text(reply: bytes | str) -> str:
    """Return what a server said."""
    return reply.decode(errors="replace") if isinstance(reply, bytes) else reply


def _listed(refused: Mapping[str, Refusal]) -> str:
    told = ", ".join(f"{address} ({code})" for address, (code, _said) in refused.items())
    return f"refused: {told}" if told else ""
