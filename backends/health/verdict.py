"""The verdict on a device, from its findings."""

from collections.abc import Iterable

from backends.choices import Verdict
from backends.health.findings import kind_of

WORST_LAST = (Verdict.HEALTHY, Verdict.SUSPECT, Verdict.FAILED)


def verdict_of(findings: Iterable[tuple[str, int]], current: Verdict) -> Verdict:
    """Return the verdict on a device with these open findings (code and number).

    FAILED stays when its findings end: only an operator, or a validation, ends it. Codes that are not known, as of a
    newer version of this program, count as nothing.
    """
    leads_to = (kind_of(code, number).verdict for code, number in findings)
    worst = max(leads_to, key=WORST_LAST.index, default=Verdict.HEALTHY)
    return Verdict.FAILED if current == Verdict.FAILED else worst
