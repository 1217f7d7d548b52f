import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

TIMEOUT = 5.0  # seconds
OPENER = build_opener(ProxyHandler({}))  # whatever the environment says of proxies: the web is on this machine


def not_green(web: str) -> str:
    """Ask /api/check; give what is not green yet, in words, or nothing when all is."""
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
    return ", ".join(f"{name} is {part['status']}" for name, part in parts.items() if part["status"] != "ok")
