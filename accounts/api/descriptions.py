"""Descriptions of the fields of access tokens in REST."""

from core.api.description.words import AT, describe

NUMBER = "3f0b8f0e-7c0e-4a58-9a5a-1f6f3f3f9f10"

describe(
    words={
        "access": ("The access token, shown this one time.", "8d6b0c2f4e1a…"),
        "createdAt": ("When it was made.", AT),
        "OpenAccess.current": ("Whether it is the access token that asks.", True),
        "expiresAt": ("When the access token ends.", AT),
        "LoginRequest.id": ("The name of the operator.", "kim"),
        "OpenAccess.id": ("What names the access token; it is no secret.", NUMBER),
        "auth_tokens_destroy.id": ("What names one of one's own access tokens.", NUMBER),
        "lastUsedAt": ("When it was last used, to the minute.", AT),
        "password": ("The password.", "correct horse"),
    },
    tags={
        "auth": "Access tokens for programs.",
    },
)
