"""Which models a token may use, and the SDAs that it owns."""

import pytest

from backends.services.groups import create_backend_group
from core.errors import Duplicate, InvalidParameter, NotFound
from events.models import Event
from sda.errors import MaxSdaReached, ModelInUse, ModelNotAllowed, SdaGroupInUse
from sda.models import Sda, SdaModel, SdaModelGroup
from sda.queries import access_of, backend_group_of, require_access
from sda.services import models, sdas
from tests import make
from tokens.errors import TokenHasSda
from tokens.models import Token
from tokens.services import create_token_group, delete_token_group, remove_token_from_group, update_token

pytestmark = pytest.mark.django_db


def _group(*members: SdaModel, name: str = "models", backends: str = "b") -> SdaModelGroup:
    backend_group = create_backend_group(name=backends, actor=make.ACTOR)
    return models.create_sda_model_group(name=name, backend_group=backend_group, models=members, actor=make.ACTOR)


def _member(token: Token, group: SdaModelGroup, name: str = "users") -> None:
    users = create_token_group(name=name, tokens=[token], actor=make.ACTOR)
    models.create_membership(users, group, actor=make.ACTOR)


def _ways(token: Token) -> list[tuple[str, str | None]]:
    return [(way.model.name, way.group.name if way.group else None) for way in access_of(token)]


def test_every_token_may_use_an_open_model_on_the_default_group() -> None:
    model, token = make.sda_model(name="Small"), make.token()
    assert _ways(token) == [("Small", None)]
    assert require_access(token, model).backend_group_id == 0


def test_a_model_that_has_joined_a_group_is_never_open_again() -> None:
    model, token = make.sda_model(), make.token()
    group = _group(model)
    assert _ways(token) == []
    models.remove_model_from_group(model, group, actor=make.ACTOR)
    model.refresh_from_db()
    assert (model.open, _ways(token)) == (False, [])
    with pytest.raises(ModelNotAllowed):
        require_access(token, model)


def test_a_membership_allows_the_models_on_the_bound_backend_group() -> None:
    model, token, stranger = make.sda_model(name="Large"), make.token(), make.token()
    group = _group(model)
    _member(token, group)
    assert (_ways(token), _ways(stranger)) == ([("Large", "models")], [])
    sda = sdas.create_sda(token, model, actor=make.ACTOR)
    assert backend_group_of(sda) == group.backend_group_id


def test_a_model_reachable_through_several_groups_is_chosen_by_group() -> None:
    model, token = make.sda_model(), make.token()
    first, second = _group(model), _group(model, name="more", backends="c")
    _member(token, first)
    _member(token, second, name="others")
    assert require_access(token, model).group == first
    assert require_access(token, model, second).group == second


def test_a_token_that_leaves_the_user_group_loses_the_right() -> None:
    model, token = make.sda_model(), make.token()
    _member(token, _group(model))
    (users,) = token.groups.all()
    remove_token_from_group(token, users, actor=make.ACTOR)
    assert _ways(token) == []
    with pytest.raises(NotFound):
        remove_token_from_group(token, users, actor=make.ACTOR)


def test_deleted_models_and_groups_allow_nothing() -> None:
    model, token = make.sda_model(), make.token()
    _member(token, _group(model))
    delete_token_group(token.groups.get(), force=True, actor=make.ACTOR)
    assert _ways(token) == []


def test_the_first_sda_is_current_and_then_the_oldest_remaining() -> None:
    token = make.token(max_sda_count=3)
    first, second, third = (make.sda(owner=token) for _ in range(3))
    assert list(Sda.objects.filter(current=True)) == [first]
    sdas.set_current_sda(third, actor=make.ACTOR)
    assert list(Sda.objects.filter(current=True)) == [third]
    sdas.delete_sda(third, actor=make.ACTOR)
    assert list(Sda.objects.filter(current=True)) == [first]
    assert second.current is False


def test_a_token_owns_at_most_its_max_sda_count() -> None:
    token = make.token(max_sda_count=1)
    make.sda(owner=token)
    with pytest.raises(MaxSdaReached):
        make.sda(owner=token)
    assert Sda.objects.filter(token=token).count() == 1


def test_a_token_with_sdas_is_not_deleted_and_one_without_leaves_a_tombstone() -> None:
    sda = make.sda()
    with pytest.raises(TokenHasSda):
        sdas.delete_token(sda.token, actor=make.ACTOR)
    sdas.delete_sda(sda, actor=make.ACTOR)
    sdas.delete_token(sda.token, actor=make.ACTOR)
    assert (Token.objects.count(), Token.objects.live().count()) == (1, 0)


def test_a_model_in_use_stays_and_its_name_is_free_again_after_it_left() -> None:
    sda = make.sda()
    with pytest.raises(ModelInUse):
        models.delete_sda_model(sda.model, actor=make.ACTOR)
    sdas.delete_sda(sda, actor=make.ACTOR)
    models.delete_sda_model(sda.model, actor=make.ACTOR)
    again = make.sda_model(name=sda.model.name)
    assert again.pk != sda.model_id
    with pytest.raises(Duplicate):
        make.sda_model(name=again.name)


def test_a_group_with_sdas_is_not_deleted_even_by_force() -> None:
    model, token = make.sda_model(), make.token()
    group = _group(model)
    _member(token, group)
    sda = sdas.create_sda(token, model, actor=make.ACTOR)
    with pytest.raises(SdaGroupInUse):
        models.delete_sda_model_group(group, force=True, actor=make.ACTOR)
    sdas.delete_sda(sda, actor=make.ACTOR)
    with pytest.raises(SdaGroupInUse):
        models.delete_sda_model_group(group, actor=make.ACTOR)
    models.delete_sda_model_group(group, force=True, actor=make.ACTOR)
    assert SdaModelGroup.objects.live().count() == 0


BAD_TOKENS = {
    "duplicates with several SDAs": ({"max_duplicates": 2, "max_sda_count": 2}, "maxDuplicates"),
    "an environment that is no map of strings": ({"env": {"A": 1}}, "env"),
}


@pytest.mark.parametrize(("fields", "parameter"), BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_a_bad_token_names_the_field_and_changes_nothing(fields: dict[str, object], parameter: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        make.token(**fields)
    assert caught.value.details == {"parameter": parameter}
    assert (Token.objects.count(), Event.objects.count()) == (0, 0)


@pytest.mark.parametrize("priority", [-100, 100])
def test_a_priority_outside_its_range_is_refused(priority: int) -> None:
    token = make.token()
    with pytest.raises(InvalidParameter) as caught:
        update_token(token, priority=priority, actor=make.ACTOR)
    assert list(caught.value.details) == ["priority"]
    token.refresh_from_db()
    assert token.priority == 0


def test_events_never_hold_a_token_value_or_its_environment() -> None:
    token = make.token(env={"LICENSE": "top-secret"})
    update_token(token, env={"LICENSE": "other-secret"}, actor=make.ACTOR)
    found = str(list(Event.objects.values_list("request", "response")))
    assert "secret" not in found
    assert token.value not in found
    assert "LICENSE" in found
    assert len(token.value) >= 32
