"""What can be done with tags, definitions of custom fields, and values."""

from inventory.services.definitions import create_custom_field, delete_custom_field, update_custom_field
from inventory.services.tags import create_tag, delete_tag, set_tags, update_tag
from inventory.services.values import set_custom_values

__all__ = [
    "create_custom_field",
    "create_tag",
    "delete_custom_field",
    "delete_tag",
    "set_custom_values",
    "set_tags",
    "update_custom_field",
    "update_tag",
]
