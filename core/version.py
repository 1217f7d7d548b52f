"""The version of the product; clients are released together with the server."""

import re

VERSION = "0.1.0"
OLDEST_AGENT = "0.1.0"  # the oldest version of the agent that this server supports


def version_key(text: str) -> tuple[int, ...] | None:
    """Return the numbers of a version like 1.4.0 or v1.4.0-rc1, to be compared; None for other texts."""
    found = re.match(r"v?(\d{1,9}(?:\.\d{1,9}){0,3})(?![\d.])", text)
    numbers = [int(part) for part in found[1].split(".")] if found else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers) if found else None
