"""Tokens and user groups in the admin."""

from tokens.admin import groups, tokens

__all__ = ["groups", "tokens"]
