"""What of an object the caller may see, and wants to see."""

from dataclasses import dataclass

MASK = "…"


@dataclass(frozen=True, slots=True)
class Showing:
    """Token values as they are or masked, and groups with or without their lists of tokens."""

    masked: bool = True
    tokenlists: bool = False

    def secret(self, value: str) -> str:
        """Give a token's value, or what a Read-only operator sees of it."""
        return f"{value[:4]}{MASK}" if self.masked else value
