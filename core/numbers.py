"""Whole numbers as people write them: one reader for addresses, searches and files."""

MAX_ID = 2**63 - 1
LONGEST = 20  # characters of a number of 64 bits, with its sign


def whole(text: str | None, least: int = 1, most: int = MAX_ID) -> int | None:
    """Return the whole number that a text writes in ASCII digits, from `least` to `most`; None for anything else."""
    digits = (text or "").removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < LONGEST):
        return None
    number = int(text or "")
    return number if least <= number <= most else None


def is_plain(value: object) -> bool:
    """Whether int() reads a value as people do: it also takes the digits of every script, and `1_0` for ten."""
    text = str(value)
    return text.isascii() and "_" not in text
