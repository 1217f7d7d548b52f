"""Who may use what, as plain sets: what a token's user groups give it, and what a change would take away."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

Right = tuple[int, int]
"""A model on the nodes of a backend group."""
Groups = frozenset[int]
"""The user groups of a token; all tokens with the same ones may use the same."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything but the tokens, by ids."""

    memberships: Mapping[int, Groups]  # the model groups of a user group
    models: Mapping[int, frozenset[int]]  # the models of a model group
    nodes: Mapping[int, int]  # the backend group of a model group
    open: frozenset[int]  # models that every token may use
    default: int  # the backend group on which it may

    def rights(self, groups: Groups) -> frozenset[Right]:
        """Give every right of a token in these user groups."""
        given = frozenset[Right]().union(*(self.given_by(group) for group in groups))
        return given | {(model, self.default) for model in self.open}

    def given_by(self, group: int) -> frozenset[Right]:
        """Give the rights that come from being in a user group."""
        ways = self.memberships.get(group, ())
        return frozenset((model, self.nodes[way]) for way in ways for model in self.models.get(way, ()))

    def without_membership(self, user_group: int, model_group: int) -> "World":
        """Give the world in which a user group may no longer use a model group."""
        left = self.memberships.get(user_group, frozenset()) - {model_group}
        return replace(self, memberships={**self.memberships, user_group: left})

    def without_model(self, model: int, group: int) -> "World":
        """Give the world in which a model is no longer in a group; it does not become open by that."""
        return replace(self, models={**self.models, group: self.models.get(group, frozenset()) - {model}})

    def with_model(self, model: int, group: int) -> "World":
        """Give the world in which a model is in a group too; its first grouping ends its being open."""
        first = not any(model in models for models in self.models.values())
        added = {**self.models, group: self.models.get(group, frozenset()) | {model}}
        return replace(self, models=added, open=self.open - {model} if first else self.open)

    def moved(self, group: int, backend_group: int) -> "World":
        """Give the world in which a model group is served by other nodes."""
        return replace(self, nodes={**self.nodes, group: backend_group})


@dataclass(frozen=True, slots=True)
class Loss:
    """How many tokens lose anything, and how many lose each right."""

    tokens: int
    rights: Mapping[Right, int]


def loss(before: World, after: World, tokens: Iterable[tuple[Groups, Groups, int]]) -> Loss:
    """Compare what tokens may use: (their groups before, after, how many tokens are like that)."""
    losers, rights = 0, Counter[Right]()
    changed = {group for group in before.memberships if before.given_by(group) != after.given_by(group)}
    for old, new, number in tokens:
        if old == new and changed.isdisjoint(old) and before.open == after.open:
            continue  # most tokens, of thousands
        lost = before.rights(old) - after.rights(new)
        losers += number if lost else 0
        rights.update(dict.fromkeys(lost, number))
    return Loss(losers, rights)
