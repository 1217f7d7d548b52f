"""A log-in at one BMC: its connection, its session token, and what was learned about its system."""

import base64
import json
from contextlib import suppress

from backends.power.errors import (
    BmcBusy,
    BmcGarbage,
    BmcUnreachable,
    PowerError,
    SessionsFull,
    Unsupported,
    WrongLogin,
)
from backends.power.login import BmcLogin
from backends.power.redfish.documents import Json, linked, members, message_ids, object_of, parse, path_of
from backends.power.redfish.http import HttpConnection, Request, Response

ROOT = "/redfish/v1/"
ANSWER_WAIT = 6.0  # seconds for the answer to a request that changes nothing
LOG_OUT_WAIT = 2.0
JSON_HEADERS = {"Accept": "application/json", "OData-Version": "4.0"}
LIMIT_REACHED = "SessionLimitExceeded"


class RedfishClient:
    """One log-in at one BMC. GETs may be repeated, as they change nothing; a POST to the system never is."""

    def __init__(self, login: BmcLogin) -> None:
        self.login = login
        self._address = login.address
        self._connection: HttpConnection | None = None
        self._auth: dict[str, str] = {}
        self._session = ""  # the path of our session on the BMC
        self._system = ""
        self._root: Json = {}

    async def system(self) -> tuple[str, Json]:
        """Return the path and the document of the BMC's first system; raises PowerError."""
        if not self._system:
            root = await self.root()
            paths = members(await self.get(linked(root, "Systems")))
            if not paths:
                raise Unsupported(f"BMC {self._address} has no system")
            self._system = paths[0]
        return self._system, await self.get(self._system)

    async def root(self) -> Json:
        """Return the root of the service, which needs no login."""
        if not self._root:
            self._root = self._document(await self._fetch(ROOT, {}))
        return self._root

    async def get(self, path: str) -> Json:
        """Return a document. Logs in first, and once anew when the session has ended."""
        fresh = not self._auth
        if fresh:
            await self.log_in()
        response = await self._fetch(path, self._auth)
        if response.status == 401 and not fresh and self._session:
            self._auth, self._session = {}, ""
            await self.log_in()
            response = await self._fetch(path, self._auth)
        return self._document(response)

    async def get_openly(self, path: str) -> int:
        """Return the status of a GET without login."""
        return (await self._fetch(path, {})).status

    async def log_in(self) -> None:
        """Open a session. A BMC without sessions gets the login in each request."""
        root = await self.root()
        user, password = self.login.user.decode(), self.login.password.decode()
        if "SessionService" not in root and "Sessions" not in object_of(root.get("Links")):
            self._auth = {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
            return
        body = json.dumps({"UserName": user, "Password": password}).encode()
        connection = await self.connection()
        request = self._request("POST", await self._sessions(root), {}, body)
        response = await connection.ask(request, ANSWER_WAIT)
        if response.status not in (200, 201) or not response.headers.get("x-auth-token"):
            raise self._refused_login(response)
        self._auth = {"X-Auth-Token": response.headers["x-auth-token"]}
        with suppress(BmcGarbage):  # without its path, the session ends by its own time-out
            self._session = path_of(response.headers.get("location") or parse(response.body).get("@odata.id"))

    async def _sessions(self, root: Json) -> str:
        with suppress(BmcGarbage):
            return linked(root, "Links", "Sessions")
        return linked(self._document(await self._fetch(linked(root, "SessionService"), {})), "Sessions")

    async def ready_to_post(self, path: str, document: Json) -> tuple[HttpConnection, Request]:
        """Return an open connection, and the request to send on it once."""
        return await self.connection(), self._request("POST", path, self._auth, json.dumps(document).encode())

    async def poll(self, path: str) -> Response:
        """Return the answer to one GET, whatever its status."""
        return await self._fetch(path, self._auth)

    async def connection(self) -> HttpConnection:
        """Return the open connection, or a new one."""
        if self._connection is None or not self._connection.usable:
            self.disconnect()
            self._connection = await HttpConnection.open(self._address, self.login.certificate)
        return self._connection

    async def _fetch(self, path: str, auth: dict[str, str]) -> Response:
        """Send a GET; once more on a new connection if a kept one turns out to be dead."""
        kept = self.connected
        request = self._request("GET", path, auth)
        try:
            return await (await self.connection()).ask(request, ANSWER_WAIT)
        except BmcUnreachable:
            if not kept:
                raise
        return await (await self.connection()).ask(request, ANSWER_WAIT)

    def _request(self, method: str, path: str, auth: dict[str, str], body: bytes = b"") -> Request:
        content = {"Content-Type": "application/json"} if body else {}
        return Request(method, path, {**JSON_HEADERS, **content, **auth}, body)

    def _document(self, response: Response) -> Json:
        if response.status == 200:
            return parse(response.body)
        what = f"BMC {self._address} answered with HTTP status {response.status}"
        if response.status == 401 and not self._session:
            raise WrongLogin(f"BMC {self._address} refused the login: wrong user or password")
        if response.status == 403:
            raise WrongLogin(f"BMC {self._address}: the user may not read its system")
        if response.status in (429, 503):
            raise BmcBusy(f"{what}: it is busy")
        self.forget()  # what was learned may be outdated
        raise BmcGarbage(what)

    def _refused_login(self, response: Response) -> PowerError:
        ids = message_ids(response.body)
        if response.status in (429, 503) or LIMIT_REACHED in ids:
            return SessionsFull(f"BMC {self._address} has no session free")
        if response.status in (400, 401, 403):
            return WrongLogin(f"BMC {self._address} refused the login: wrong user or password")
        return BmcGarbage(f"BMC {self._address} gave no session: HTTP status {response.status}")

    async def log_out(self) -> None:
        """Delete the session and close the connection; what fails is left to the BMC's own time-out."""
        if self._session:
            request = self._request("DELETE", self._session, self._auth)
            with suppress(PowerError):
                await (await self.connection()).ask(request, LOG_OUT_WAIT)
        self._auth, self._session = {}, ""
        self.disconnect()

    def forget(self) -> None:
        """Forget what was learned about the BMC."""
        self._system, self._root = "", {}

    def drop_session(self) -> None:
        """Delete the session on an open connection, without waiting for the answer."""
        if self._session and self._connection and self.connected:
            self._connection.send_unanswered(self._request("DELETE", self._session, self._auth))
        self.disconnect()

    @property
    def connected(self) -> bool:
        """Whether its connection is open."""
        return self._connection is not None and self._connection.usable

    def disconnect(self) -> None:
        """Close the connection; the session stays."""
        if self._connection:
            self._connection.close()
        self._connection = None
