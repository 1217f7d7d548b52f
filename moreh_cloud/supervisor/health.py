"""Readiness of the product, by its own health check."""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

TIMEOUT = 5.0  # seconds
OPENER = build_opener(ProxyHandler({}))  # whatever the environment says of proxies: the web is on this machine


def not_ready(web: str) -> str:
    """Return what keeps the product from serving, by /api/check; "" when it serves.

    What is degraded serves: with one BMC that does not answer the product must come up all the same.
    """
    try:
        request = Request(f"{web}/api/check", headers={"Accept": "application/json"})  # noqa: S310 - http, our own
        with OPENER.open(request, timeout=TIMEOUT) as answer:
            return _words(json.load(answer))
    except HTTPError as error:
        with error:
            return f"/api/check answers {error.code}: {error.read(300).decode(errors='replace')}"
    except (OSError, ValueError) as error:
        return f"/api/check: {error}"


def _words(parts: dict[str, Any]) -> str:
    return ", ".join(f"{name} is {part['status']}" for name, part in parts.items() if part["status"] == "error")
