"""Access rights as sets of ids: what user groups allow, and what a change would take away."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

Right = tuple[int, int]
"""A model on the nodes of a backend group."""
Groups = frozenset[int]
"""The user groups of a token. Tokens with the same groups have the same rights."""


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What decides about access, without the tokens, by ids."""

    memberships: Mapping[int, Groups]  # the model groups of a user group
    models: Mapping[int, frozenset[int]]  # the models of a model group
    nodes: Mapping[int, int]  # the backend group of a model group
    open: frozenset[int]  # models that every token may use
    default: int  # the backend group of open models

    def rights(self, groups: Groups) -> frozenset[Right]:
        """Return every right of a token in these user groups."""
        given = frozenset[Right]().union(*(self.rights_of(group) for group in groups))
        return given | {(model, self.default) for model in self.open}

    def rights_of(self, user_group: int) -> frozenset[Right]:
        """Return the rights that a user group gives."""
        model_groups = self.memberships.get(user_group, ())
        return frozenset((model, self.nodes[group]) for group in model_groups for model in self.models.get(group, ()))

    def without_membership(self, user_group: int, model_group: int) -> "AccessRules":
        """Return the rules without one membership."""
        left = self.memberships.get(user_group, frozenset()) - {model_group}
        return replace(self, memberships={**self.memberships, user_group: left})

    def without_model(self, model: int, group: int) -> "AccessRules":
        """Return the rules with a model taken out of a group. That does not make it open."""
        return replace(self, models={**self.models, group: self.models.get(group, frozenset()) - {model}})

    def with_model(self, model: int, group: int) -> "AccessRules":
        """Return the rules with a model in one more group. In its first group it stops being open."""
        first = not any(model in models for models in self.models.values())
        added = {**self.models, group: self.models.get(group, frozenset()) | {model}}
        return replace(self, models=added, open=self.open - {model} if first else self.open)

    def with_backend_group(self, group: int, backend_group: int) -> "AccessRules":
        """Return the rules with a model group bound to another backend group."""
        return replace(self, nodes={**self.nodes, group: backend_group})


@dataclass(frozen=True, slots=True)
class Loss:
    """How many tokens lose any right, and how many lose each right."""

    tokens: int
    rights: Mapping[Right, int]


def loss(before: AccessRules, after: AccessRules, tokens: Iterable[tuple[Groups, Groups, int]]) -> Loss:
    """Return what tokens lose. Each item of `tokens` has their groups before and after, and their number."""
    losers, rights = 0, Counter[Right]()
    changed = {group for group in before.memberships if before.rights_of(group) != after.rights_of(group)}
    for old, new, number in tokens:
        if old == new and changed.isdisjoint(old) and before.open == after.open:
            continue  # this skips most tokens
        lost = before.rights(old) - after.rights(new)
        losers += number if lost else 0
        rights.update(dict.fromkeys(lost, number))
    return Loss(losers, rights)
