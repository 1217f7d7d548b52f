"""What a change would take away is exactly what the services take away, on random data."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from backends.models import BackendGroup
from backends.services.groups import create_backend_group
from console.pages.access import CHANGES
from console.queries.access import access_map, groups_of, tokens_by_groups
from console.queries.rights import AccessRules, Loss, loss
from sda.models import Membership, SdaModel, SdaModelGroup
from sda.queries import access_of
from sda.services.models import (
    add_model_to_group,
    create_membership,
    create_sda_model_group,
    delete_membership,
    remove_model_from_group,
    update_sda_model_group,
)
from tests import make
from tokens.models import Token
from tokens.services import create_token_group, delete_token

Rights = dict[int, set[tuple[int, int]]]
few = st.sets(st.integers(0, 2), max_size=3)


def rights() -> Rights:
    """Ask the product itself what every token may use."""
    return {
        token.pk: {(way.model.pk, way.backend_group_id) for way in access_of(token)} for token in Token.objects.live()
    }


def lost(before: Rights, after: Rights) -> Loss:
    gone = {pk: before[pk] - after[pk] for pk in before}
    return Loss(sum(bool(some) for some in gone.values()), Counter(right for some in gone.values() for right in some))


def foretold(change: str, first: int, second: int) -> Loss:
    rules = access_map().rules
    tokens = [(groups, groups, number) for groups, number in tokens_by_groups().items()]
    return loss(rules, CHANGES[change](rules, first, second), tokens)


class Foretelling(TestCase):
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        users=st.lists(few, min_size=1, max_size=4),
        models=st.lists(few, min_size=3, max_size=3),
        members=st.sets(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=6),
        pick=st.integers(0, 2),
        other=st.integers(0, 2),
    )
    def test_every_kind_of_change(
        self, users: list[set[int]], models: list[set[int]], members: set[tuple[int, int]], pick: int, other: int
    ) -> None:
        nodes = [make.default_group(), create_backend_group(name="second", actor=make.ACTOR)]
        made = [make.sda_model() for _ in range(3)]
        groups = [
            create_sda_model_group(
                name=f"m{n}", backend_group=nodes[n % 2], models=[made[i] for i in sorted(models[n])], actor=make.ACTOR
            )
            for n in range(3)
        ]
        teams = [create_token_group(name=f"t{n}", actor=make.ACTOR) for n in range(3)]
        for mine in users:
            make.token(groups=[teams[n] for n in mine])
        delete_token(make.token(groups=teams), actor=make.ACTOR)  # counts for nothing
        for team, group in sorted(members):
            create_membership(teams[team], groups[group], actor=make.ACTOR)
        self._membership(teams[pick].pk, groups[other].pk)
        self._model(made[pick], groups[other])
        self._move(groups[pick], nodes[other % 2].pk)

    def _membership(self, team: int, group: int) -> None:
        preview, before = foretold("membership", team, group), rights()
        membership = Membership.objects.filter(token_group=team, model_group=group).first()
        if membership:
            delete_membership(membership, actor=make.ACTOR)
        assert preview == lost(before, rights())

    def _model(self, model: SdaModel, group: SdaModelGroup) -> None:
        inside = group.sda_models.filter(pk=model.pk).exists()
        change, verb = ("model-out", remove_model_from_group) if inside else ("model-in", add_model_to_group)
        preview, before = foretold(change, model.pk, group.pk), rights()
        verb(model, group, actor=make.ACTOR)
        assert preview == lost(before, rights())

    def _move(self, group: SdaModelGroup, nodes: int) -> None:
        preview, before = foretold("move", group.pk, nodes), rights()
        update_sda_model_group(group, backend_group=BackendGroup.objects.get(pk=nodes), actor=make.ACTOR)
        assert preview == lost(before, rights())


@pytest.mark.django_db
def test_the_map_has_what_each_token_may_use() -> None:
    gold = create_sda_model_group(
        name="gold", backend_group=make.default_group(), models=[make.sda_model()], actor=make.ACTOR
    )
    team = create_token_group(name="team", actor=make.ACTOR)
    create_membership(team, gold, actor=make.ACTOR)
    make.sda_model()
    for token in (make.token(groups=[team]), make.token()):
        assert access_map().rules.rights(groups_of(token)) == rights()[token.pk]


def test_nothing_is_lost_where_another_way_is_left() -> None:
    rules = AccessRules({1: frozenset({5, 6})}, {5: frozenset({9}), 6: frozenset({9})}, {5: 0, 6: 0}, frozenset(), 0)
    mine = frozenset({1})
    assert loss(rules, rules.without_membership(1, 5), [(mine, mine, 3)]) == Loss(0, {})
