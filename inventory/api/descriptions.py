"""The descriptions of tags and custom fields in the API schema: fields, failures, tags."""

from core.api.description.words import describe

describe(
    words={
        "choices": ("What a custom field of the kind `choice` can hold.", ["colo-1", "colo-2"]),
        "colour": ("The colour: empty (grey), info (blue), success (green), warning (orange) or danger (red).", "info"),
        "customFields": (
            "Custom fields by name, only those that have a value. A decimal and a date are texts.",
            {"owner": "Vision team", "warranty_until": "2028-03-31"},
        ),
        "inLists": ("Whether lists of the console have a column for it.", True),
        "kind": ("What the custom field holds.", "text"),
        "noun": ("What the custom field belongs to.", "backend"),
        "CustomField.label": ("What pages show instead of the name.", "Owner"),
        "CustomField.name": ("The name: small letters, digits and underscores.", "owner"),
        "required": ("Whether operators must give a value for every new object.", False),
        "tag": ("The name of a tag, in any case.", "liquid-cooled"),
        "tags": ("The names of its tags.", ["liquid-cooled"]),
    },
    failures={
        "FIELD_IN_USE": ("Objects have values of the custom field.", {"id": 3, "values": 12}),
    },
    tags={
        "inventory": "Tags of nodes, and the definitions of custom fields.",
    },
)
