"""Which alerts a rule or a silence means, in plain Python."""

from dataclasses import dataclass

from alerts.choices import SEVERITY, Level
from alerts.queries import KnownAlert
from alerts.subjects import Subject

MOST_URGENT = max(SEVERITY.values())
"""For a level that only a later version knows: rather told too often than not at all."""


@dataclass(frozen=True, slots=True)
class Match:
    """Conditions on an alert. An empty set holds for every alert; of a set that is not empty, one entry must fit."""

    categories: frozenset[str] = frozenset()
    least_level: str = Level.NOTICE
    groups: frozenset[int] = frozenset()
    tags: frozenset[str] = frozenset()
    tokens: frozenset[int] = frozenset()
    subject: Subject | None = None

    def fits(self, known: KnownAlert) -> bool:
        """Whether an alert is meant."""
        alert, facts = known.alert, known.facts
        return (
            (not self.categories or alert.category in self.categories)
            and SEVERITY.get(alert.level, MOST_URGENT) >= SEVERITY.get(self.least_level, 0)
            and (not self.groups or facts.group_id in self.groups)
            and (not self.tags or not self.tags.isdisjoint(facts.tags))
            and (not self.tokens or facts.token_id in self.tokens)
            and self.subject in (None, alert.subject)
        )
