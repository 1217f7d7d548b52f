"""Definitions of custom fields and tags: kinds, what is refused, and that no change loses or alters a value."""

from decimal import Decimal
from typing import Any, cast

import pytest
from django.utils import translation

from backends.models import Backend, NodeFieldValue
from backends.services.nodes import update_backend
from core.errors import Conflict, Duplicate, InvalidParameter, NotFound
from inventory.choices import FieldKind
from inventory.errors import FieldInUse
from inventory.kinds import WrongValue, json_value, stored_text, typed_value
from inventory.models import CustomField, Tag
from inventory.services import (
    create_custom_field,
    create_tag,
    delete_custom_field,
    delete_tag,
    update_custom_field,
    update_tag,
)
from tests import make
from tests.api import events

CHOICES = ["colo-1", "colo-2"]
GOOD: dict[str, tuple[FieldKind, Any, str, Any, Any]] = {
    "a text without blanks at its ends": (FieldKind.TEXT, " a b ", "a b", "a b", "a b"),
    "a text that a spreadsheet takes for a formula": (FieldKind.TEXT, "=1+1", "=1+1", "=1+1", "=1+1"),
    "an integer as text": (FieldKind.INTEGER, "-7", "-7", -7, -7),
    "an integer with zeros": (FieldKind.INTEGER, "007", "7", 7, 7),
    "an integer of a spreadsheet": (FieldKind.INTEGER, 7.0, "7", 7, 7),
    "a decimal": (FieldKind.DECIMAL, "1.50", "1.5", Decimal("1.5"), "1.5"),
    "a decimal in powers of ten": (FieldKind.DECIMAL, "1e3", "1000", Decimal(1000), "1000"),
    "the largest power of ten": (FieldKind.DECIMAL, "1e29", f"1{'0' * 29}", Decimal("1e29"), f"1{'0' * 29}"),
    "no minus zero": (FieldKind.DECIMAL, "-0.0", "0", Decimal(0), "0"),
    "yes": (FieldKind.BOOLEAN, "Yes", "true", True, True),
    "no": (FieldKind.BOOLEAN, False, "false", False, False),
    "a date": (FieldKind.DATE, "2026-11-30", "2026-11-30", None, "2026-11-30"),
    "a choice": (FieldKind.CHOICE, "colo-1", "colo-1", "colo-1", "colo-1"),
    "an address": (FieldKind.URL, "https://a.example/x", "https://a.example/x", "https://a.example/x", None),
    "nothing": (FieldKind.INTEGER, "", "", None, None),
}
BAD: dict[str, tuple[FieldKind, Any]] = {
    "two lines": (FieldKind.TEXT, "a\nb"),
    "a long text": (FieldKind.TEXT, "x" * 513),
    "a list": (FieldKind.TEXT, ["a"]),
    "a fraction": (FieldKind.INTEGER, "1.5"),
    "a large integer": (FieldKind.INTEGER, 2**53),
    "digits of another script": (FieldKind.INTEGER, "\u0661"),
    "no number": (FieldKind.DECIMAL, "NaN"),
    "an endless number": (FieldKind.DECIMAL, "1e999999"),
    "a number whose text has 31 digits": (FieldKind.DECIMAL, "1e30"),
    "perhaps": (FieldKind.BOOLEAN, "perhaps"),
    "a day that does not exist": (FieldKind.DATE, "2026-02-30"),
    "a date in another order": (FieldKind.DATE, "30.11.2026"),
    "a day of a week": (FieldKind.DATE, "2026-W49-1"),
    "another choice": (FieldKind.CHOICE, "colo-3"),
    "a script as address": (FieldKind.URL, "javascript:alert(1)"),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_value_has_one_text(case: str) -> None:
    kind, given, stored, typed, wire = GOOD[case]
    assert stored_text(kind, given, CHOICES) == stored
    assert stored_text(kind, typed_value(kind, stored), CHOICES) == stored
    assert typed is None or typed_value(kind, stored) == typed
    assert wire is None or json_value(kind, stored) == wire


@pytest.mark.parametrize("case", BAD)
def test_a_value_of_another_kind_is_refused_in_both_languages(case: str) -> None:
    kind, given = BAD[case]
    with pytest.raises(WrongValue) as wrong:
        stored_text(kind, given, CHOICES)
    said = str(wrong.value.problem)
    with translation.override("ko"):
        assert str(wrong.value.problem) != said


def field(name: str = "owner", **fields: Any) -> CustomField:
    return create_custom_field(**{"noun": "backend", "name": name, "actor": make.ACTOR, **fields})


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a name with a capital": ({"name": "Owner"}, "name"),
    "a name that begins with a digit": ({"name": "1st"}, "name"),
    "a noun without custom fields": ({"noun": "job"}, "noun"),
    "an unknown kind": ({"kind": "colour"}, "kind"),
    "a choice without choices": ({"kind": "choice"}, "choices"),
    "a choice twice": ({"kind": "choice", "choices": ["a", " a"]}, "choices"),
    "a label of two lines": ({"label": "a\nb"}, "label"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_definition_is_refused(case: str) -> None:
    given, named = REFUSED[case]
    with pytest.raises(InvalidParameter) as refusal:
        field(**given)
    assert named in (*refusal.value.details, refusal.value.details.get("parameter"))
    assert not CustomField.objects.exists()


@pytest.mark.django_db
def test_a_name_is_free_again_after_the_deletion_and_values_are_never_lost_silently() -> None:
    node, owner = make.backend(), field()
    with pytest.raises(Duplicate):
        field()
    update_backend(node, actor=make.ACTOR, custom_fields={"owner": "Vision"})
    with pytest.raises(FieldInUse) as refusal:
        delete_custom_field(owner, actor=make.ACTOR)
    assert refusal.value.details == {"id": owner.pk, "values": 1}
    delete_custom_field(owner, actor=make.ACTOR, force=True)
    told = {"field": "cf_owner", "values": 1, "force": True}
    assert events("DELETE_CUSTOM_FIELD") == [(f"customfield/{owner.pk}", told)]
    assert NodeFieldValue.objects.get(field=owner).value == "Vision"
    field()
    assert not NodeFieldValue.objects.filter(field__deleted_at=None).exists()
    with pytest.raises(Conflict):
        update_custom_field(owner, actor=make.ACTOR, label="late")


@pytest.mark.django_db
def test_a_change_of_kind_or_choices_needs_values_that_stay_the_same() -> None:
    first, second = make.backend(), make.backend()
    size = field("size")
    update_backend(first, actor=make.ACTOR, custom_fields={"size": "07"})
    with pytest.raises(InvalidParameter) as refusal:
        update_custom_field(size, actor=make.ACTOR, kind=FieldKind.INTEGER)
    assert "One has 07" in " ".join(map(str, cast("list[Any]", refusal.value.details["kind"])))
    update_backend(first, actor=make.ACTOR, custom_fields={"size": "7"})
    update_custom_field(CustomField.objects.get(pk=size.pk), actor=make.ACTOR, kind=FieldKind.INTEGER)
    assert NodeFieldValue.objects.get().typed == 7
    room = field("room", kind="choice", choices=CHOICES)
    update_backend(second, actor=make.ACTOR, custom_fields={"room": "colo-2"})
    with pytest.raises(InvalidParameter):
        update_custom_field(room, actor=make.ACTOR, choices=["colo-1"])
    update_custom_field(CustomField.objects.get(pk=room.pk), actor=make.ACTOR, choices=[*CHOICES, "colo-3"])
    assert NodeFieldValue.objects.get(field=room).value == "colo-2"


@pytest.mark.django_db
def test_a_tag_is_the_same_in_any_case_and_leaves_its_nodes() -> None:
    tag = create_tag(name=" Größe ", actor=make.ACTOR, colour="info")
    node = make.backend(tags=["GRÖSSE", "größe"])
    assert list(node.tags.values_list("name", flat=True)) == ["Größe"]
    with pytest.raises(Duplicate):
        create_tag(name="GRÖSSE", actor=make.ACTOR)
    for wrong in ("a;b", "a,b", "[a", "", "a\tb", "x" * 65):
        with pytest.raises(InvalidParameter):
            update_tag(tag, actor=make.ACTOR, name=wrong)
    assert update_tag(tag, actor=make.ACTOR, name="größe").name == "größe"
    delete_tag(tag, actor=make.ACTOR)
    assert not Backend.objects.get(pk=node.pk).tags.exists()
    assert not Tag.objects.exists()
    with pytest.raises(NotFound):
        delete_tag(Tag(pk=tag.pk, name="gone"), actor=make.ACTOR)
