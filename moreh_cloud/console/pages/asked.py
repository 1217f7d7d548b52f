"""What is asked for in a page's address; what makes no sense counts as not asked for."""

LONGEST = 100  # characters of a text that is searched for


def whole(given: str | None, least: int, most: int) -> int | None:
    """Read a whole number in a range."""
    digits = (given or "").removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        return None
    return number if least <= (number := int(given or "")) <= most else None


def text(given: str | None) -> str:
    """Read a text to search for."""
    return (given or "").replace("\0", "").strip()[:LONGEST]
