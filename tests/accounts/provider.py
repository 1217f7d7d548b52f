"""A small OpenID Connect provider on loopback: real HTTP, real RS256 signatures, and lies on demand."""

import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jws
from joserfc.jwk import RSAKey

KEY = RSAKey.generate_key(2048)
FOREIGN_KEY = RSAKey.generate_key(2048)
CLIENT, SECRET = "moreh-cloud", "client-secret-of-the-test"


@dataclass
class Provider:
    """What it says: `claims` about the person, `token` on top of a right ID token."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    token: dict[str, Any] = field(default_factory=dict)
    key: Any = field(default_factory=lambda: KEY)
    algorithm: str = "RS256"
    asked: dict[str, str] = field(default_factory=dict)
    exchanges: int = 0
    raw: dict[str, str] = field(default_factory=dict)  # what it answers instead, by address

    def log_in(self, redirect: str) -> str:
        """Do what the provider's own page would: take the browser's request, give the address it is sent back to."""
        self.asked = {name: values[0] for name, values in parse_qs(urlsplit(redirect).query).items()}
        assert self.asked["client_id"] == CLIENT
        return f"{urlsplit(self.asked['redirect_uri']).path}?code=the-code&state={self.asked['state']}"

    def exchange(self, form: dict[str, str]) -> dict[str, str] | None:
        """Return tokens for a code; None to whoever is not our client."""
        self.exchanges += 1
        challenge = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if (form["client_secret"], form["code"], challenge) != (SECRET, "the-code", self.asked["code_challenge"]):
            return None
        now = time.time()
        right = {"iss": self.url, "aud": CLIENT, "sub": "lee-1", "iat": now, "exp": now + 60}
        right["nonce"] = self.asked["nonce"]
        said = {name: value for name, value in {**right, **self.token}.items() if value is not None}
        header = {"alg": self.algorithm, "kid": "one"}
        signed = jws.serialize_compact(header, json.dumps(said), self.key, algorithms=[self.algorithm])
        return {"access_token": "the-access", "id_token": signed, "token_type": "Bearer"}


@contextmanager
def running() -> Iterator[Provider]:
    """Serve a provider until the end of the block."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/keys":
                public = KEY.as_dict(private=False)
                return self.answer({"keys": [{**public, "kid": "one", "alg": "RS256", "use": "sig"}]})
            known = self.path == "/userinfo" and self.headers["Authorization"] == "Bearer the-access"
            return self.answer(provider.claims if known else None)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.answer(provider.exchange({name: values[0] for name, values in parse_qs(body).items()}))

        def answer(self, body: Any) -> None:
            self.send_response(200 if body is not None else 401)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(provider.raw.get(self.path, json.dumps(body)).encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield provider
        finally:
            server.shutdown()
