"""What can be done with tokens and user groups, by noun."""

from tokens.services.groups import (
    add_token_to_group,
    create_token_group,
    delete_token_group,
    remove_token_from_group,
    update_token_group,
)
from tokens.services.stops import free_tokens, require_not_stopped, stop_tokens
from tokens.services.tokens import (
    create_token,
    delete_token,
    presented,
    reveal_token,
    rotate_token,
    update_token,
)

__all__ = [
    "add_token_to_group",
    "create_token",
    "create_token_group",
    "delete_token",
    "delete_token_group",
    "free_tokens",
    "presented",
    "remove_token_from_group",
    "require_not_stopped",
    "reveal_token",
    "rotate_token",
    "stop_tokens",
    "update_token",
    "update_token_group",
]
