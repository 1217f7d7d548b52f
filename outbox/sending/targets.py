"""The addresses of webhooks, as they are set."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

LONGEST = 2048


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where a webhook goes. Its `repr` shows no path, which may be a secret."""

    tls: bool
    host: str
    port: int
    path: str = field(repr=False)

    @property
    def authority(self) -> str:
        """Return the value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Return scheme, host and port: what may be shown."""
        return f"{'https' if self.tls else 'http'}://{self.authority}"


def parse_target(url: str) -> WebhookTarget | None:
    """Return the parts of a web address without login and fragment, None for any other text."""
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or "#" in url or port == 0:
        return None
    if "%" in host or not _is_host(host):
        return None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebhookTarget(parts.scheme == "https", host, port or (443 if parts.scheme == "https" else 80), path)


def _is_host(host: str) -> bool:
    if ":" in host:  # urlsplit has checked what stands in brackets
        return True
    labels = host.removesuffix(".").split(".")
    fine = all(0 < len(label) < 64 and label.replace("-", "a").replace("_", "a").isalnum() for label in labels)
    return fine and len(host) <= 253


def shown_url(url: str) -> str:
    """Return what may be shown of an address: a path or query may be a secret."""
    target = parse_target(url)
    if target is None:
        return "***" if url else ""
    return target.origin if target.path == "/" else f"{target.origin}/***"
