"""The views of REST."""

from typing import Any

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import OperatorView
from core.api.filters import TextFilter, WholeFilter, WordFilter
from core.api.schema import reads, writes
from core.api.views import success
from inventory import services
from inventory.api import serializers as shapes
from inventory.choices import FieldNoun
from inventory.models import CustomField, Tag
from inventory.queries import all_tags, live_fields

FIELD = {name: name for name in ("noun", "name", "label", "description", "kind", "choices", "required", "index")}
COLUMNS = {"id": "pk", **FIELD, "inLists": "in_lists"}
TAG = ("id", "name", "colour", "description")


class TagFilter(filters.FilterSet):
    """The parameters of the list of tags."""

    id = WholeFilter()
    name = TextFilter(lookup_expr="icontains")


class FieldFilter(filters.FilterSet):
    """The parameters of the list of custom fields."""

    id = WholeFilter()
    noun = WordFilter(choices=FieldNoun.choices)
    name = TextFilter()


@extend_schema(tags=["inventory"])
class TagView(OperatorView):
    """Tags."""

    queryset = all_tags()
    filterset_class = TagFilter

    @reads(shapes.TagSerializer)
    def list(self, _request: Request) -> Response:
        """List tags."""
        return self.listed(list(self.page(all_tags()).values(*TAG)))

    @writes(shapes.NewTag, shapes.TagSerializer)
    def create(self, _request: Request) -> Response:
        """Create a tag."""
        return success(_tag_card(services.create_tag(**self.given(shapes.NewTag), actor=self.actor)))

    @writes(shapes.TagChange, shapes.TagSerializer)
    def update(self, _request: Request) -> Response:
        """Change a tag."""
        return success(_tag_card(services.update_tag(**self.given(shapes.TagChange), actor=self.actor)))

    @writes(shapes.OneTag)
    def destroy(self, _request: Request) -> Response:
        """Delete a tag; it leaves the nodes that have it."""
        services.delete_tag(**self.given(shapes.OneTag), actor=self.actor)
        return success()


@extend_schema(tags=["inventory"])
class CustomFieldView(OperatorView):
    """Definitions of custom fields."""

    queryset = live_fields()
    filterset_class = FieldFilter

    @reads(shapes.CustomFieldSerializer)
    def list(self, _request: Request) -> Response:
        """List the definitions of custom fields."""
        return self.listed([_field_card(field) for field in self.page(live_fields())])

    @writes(shapes.NewCustomField, shapes.CustomFieldSerializer)
    def create(self, _request: Request) -> Response:
        """Create a custom field of a noun."""
        return success(_field_card(services.create_custom_field(**self.given(shapes.NewCustomField), actor=self.actor)))

    @writes(shapes.CustomFieldChange, shapes.CustomFieldSerializer)
    def update(self, _request: Request) -> Response:
        """Change a custom field; every stored value must fit."""
        given = self.given(shapes.CustomFieldChange)
        return success(_field_card(services.update_custom_field(**given, actor=self.actor)))

    @writes(shapes.OneCustomField)
    def destroy(self, _request: Request) -> Response:
        """Delete a custom field; with `force` also when objects have values."""
        services.delete_custom_field(**self.given(shapes.OneCustomField), actor=self.actor)
        return success()


def _tag_card(tag: Tag) -> dict[str, Any]:
    return {name: getattr(tag, name) for name in TAG}


def _field_card(field: CustomField) -> dict[str, Any]:
    return {name: getattr(field, column) for name, column in COLUMNS.items()}
