"""Fields that look rows up while one types."""

from typing import Any

from django.contrib.admin.widgets import AutocompleteSelect, AutocompleteSelectMultiple

from core.numbers import whole


class _OfRows:
    """Keep only values that can be ids of rows: Django queries the database for whatever was sent."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        """Return the chosen rows as options."""
        numbers = [one for one in value if one in ("", None) or whole(str(one), least=0) is not None]
        return super().optgroups(name, numbers, attr)  # type: ignore[misc]


class RowChooser(_OfRows, AutocompleteSelect):
    """Chooses one row."""


class RowsChooser(_OfRows, AutocompleteSelectMultiple):
    """Chooses several rows."""
