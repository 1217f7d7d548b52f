"""Tokens and user groups in the admin."""

from tokens.admin import groups, imports, tokens

__all__ = ["groups", "imports", "tokens"]
