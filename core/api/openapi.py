from drf_spectacular.openapi import AutoSchema


class WireSchema(AutoSchema):
    """The description of an address; a list is named by what is in it, unless its pages have a shape of their own."""

    def get_paginated_name(self, serializer_name: str) -> str:
        """Name the component of a list."""
        return getattr(getattr(self.view, "pagination_class", None), "name", "") or f"{serializer_name}List"
