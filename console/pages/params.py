"""Parsing of query strings. A value that cannot be parsed counts as absent, or a form shows its error."""

LONGEST = 100  # characters of a search text


def search_text(given: str | None) -> str:
    """Return a search text without NUL and outer blanks, cut to LONGEST characters."""
    return (given or "").replace("\0", "").strip()[:LONGEST]
