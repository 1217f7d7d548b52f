"""One simulated BMC that speaks Redfish over HTTPS."""

import asyncio
import secrets
import time
from collections.abc import Callable

from backends.power.driver import BmcAddress, PowerState
from backends.power.redfish_simulator import documents
from backends.power.redfish_simulator.documents import RESET_TYPES
from backends.power.redfish_simulator.faults import RedfishFaults
from backends.power.redfish_simulator.monitoring import CLEAR, SimulatedLog, SimulatedSensors, monitored
from backends.power.redfish_simulator.server import Call, RedfishAnswer, serve
from backends.power.simulator.chassis import NOT_NOW, Chassis

OPEN = (f"{documents.V1}/", documents.V1)
OnPower = Callable[["RedfishBmc", PowerState], None]


class RedfishBmc:
    """One BMC on one TCP port, with the chassis behind it."""

    def __init__(
        self,
        user: bytes,
        password: bytes,
        *,
        state: PowerState = PowerState.ON,
        delay: float = 0.0,
        on_power: OnPower | None = None,
        max_sessions: int = 8,
    ) -> None:
        self.user, self.password = user, password
        self.max_sessions = max_sessions
        self.faults = RedfishFaults()
        self.address = BmcAddress("127.0.0.1", 0)  # where it listens; port 0 before it does
        self.chassis = Chassis(state, delay, lambda new: on_power(self, new) if on_power else None)
        self.sensors, self.log = SimulatedSensors(), SimulatedLog()
        self.logins = 0
        self.connections = 0
        self.server: asyncio.Server | None = None
        self._sessions: dict[str, tuple[str, float]] = {}  # token: path, last use
        self._tasks: list[float] = []

    @property
    def sessions(self) -> int:
        """Return how many sessions are open."""
        return len(self._sessions)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        self.connections += 1
        await serve(reader, writer, self.answer)

    def close(self) -> None:
        """Stop listening."""
        if self.server:
            self.server.close()

    def answer(self, call: Call) -> RedfishAnswer:
        """Return the answer to a request, as the faults want it."""
        faults = self.faults
        if faults.black_hole:
            return RedfishAnswer(raw=b"", silent=True)
        if faults.garbage:
            return RedfishAnswer(raw=b"\x00\xff" * 40 + b"\r\n\r\n", closes=True)
        if faults.endless:
            return RedfishAnswer(
                raw=b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b" " * (2 << 20), silent=True
            )
        answer = self._route(call)
        if faults.silent_at and faults.silent_at in (call.path, {documents.SESSIONS: "login"}.get(call.path)):
            return RedfishAnswer(raw=b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"Id"', silent=True)
        if faults.no_json and call.method == "GET":
            answer = RedfishAnswer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[1,}")
        answer.late, answer.trickles = faults.late, faults.trickles
        return answer

    def _route(self, call: Call) -> RedfishAnswer:
        where = (call.method, call.path)
        if call.path in OPEN:
            return RedfishAnswer(document=documents.root())
        if where == ("GET", documents.SESSION_SERVICE):
            return RedfishAnswer(document=documents.session_service())
        if where == ("POST", documents.SESSIONS):
            return self._log_in(call)
        if not self._known(call.token) and not (self.faults.weak_auth and call.method == "GET"):
            return _refused(401, "NoValidSession")
        if call.method == "DELETE":
            return self._log_out(call)
        return self._act(call) if call.method == "POST" else self._read(call.path)

    def _act(self, call: Call) -> RedfishAnswer:
        if call.path == CLEAR:
            self.log.records.clear()
            return RedfishAnswer(204)
        return self._reset(call) if call.path == documents.RESET else _refused(404, "ResourceMissingAtURI")

    def _read(self, path: str) -> RedfishAnswer:
        if path.startswith(documents.MONITORS):
            return self._monitor(path)
        offered = [word for word in RESET_TYPES if word != self.faults.lacks]
        known = {
            documents.SYSTEMS: lambda: documents.collection(path, "ComputerSystem", [documents.SYSTEM]),
            documents.SYSTEM: lambda: documents.system(
                self.chassis.state, offered, action_info=self.faults.action_info
            ),
            documents.RESET_INFO: lambda: documents.reset_info(offered),
            documents.SESSIONS: lambda: documents.collection(
                path, "Session", [place for place, _ in self._sessions.values()]
            ),
        }
        if path in known:
            return RedfishAnswer(document=known[path]())
        document = monitored(self.sensors, self.log, self.faults, path)
        return RedfishAnswer(document=document) if document else _refused(404, "ResourceMissingAtURI")

    # Sessions.

    def _known(self, token: str) -> bool:
        """Whether a token belongs to a session; its last use is now."""
        now = time.monotonic()
        for known, (_, used) in list(self._sessions.items()):
            if now - used > self.faults.session_seconds:
                del self._sessions[known]
        if token in self._sessions:
            self._sessions[token] = (self._sessions[token][0], now)
        return token in self._sessions

    def _log_in(self, call: Call) -> RedfishAnswer:
        given = call.document if isinstance(call.document, dict) else {}
        login = (str(given.get("UserName")).encode(), str(given.get("Password")).encode())
        if not secrets.compare_digest(b"\0".join(login), self.user + b"\0" + self.password):
            return _refused(401, "NoValidSession")
        self._known("")
        if self.faults.sessions_full or len(self._sessions) >= self.max_sessions:
            return _refused(503, "SessionLimitExceeded")
        self.logins += 1
        token, place = secrets.token_hex(16), f"{documents.SESSIONS}/{self.logins}"
        self._sessions[token] = (place, time.monotonic())
        headers = {"X-Auth-Token": token, "Location": f"https://{self.address}{place}"}
        return RedfishAnswer(201, documents.session(place, login[0].decode()), headers)

    def _log_out(self, call: Call) -> RedfishAnswer:
        for token, (place, _) in list(self._sessions.items()):
            if place == call.path:
                del self._sessions[token]
                return RedfishAnswer(204)
        return _refused(404, "ResourceMissingAtURI")

    # Resets.

    def _reset(self, call: Call) -> RedfishAnswer:
        word = call.document.get("ResetType") if isinstance(call.document, dict) else None
        if self.faults.busy:
            return _refused(503, "ServiceTemporarilyUnavailable")
        if word not in RESET_TYPES or word == self.faults.lacks:
            return _refused(400, "ActionParameterNotSupported")
        if self.faults.redirects:
            return RedfishAnswer(307, headers={"Location": documents.RESET})
        if not self.faults.ignores_commands and self.chassis.execute(RESET_TYPES[word]) == NOT_NOW:
            return _refused(409, "InvalidOperationForSystemState")
        return self._carried_out()

    def _carried_out(self) -> RedfishAnswer:
        """Return what a reset is answered with, after it was executed."""
        faults = self.faults
        if faults.lost_replies > 0:
            faults.lost_replies -= 1
            return RedfishAnswer(raw=b"", silent=True)
        if faults.breaks:
            return RedfishAnswer(raw=b"", closes=True)
        if faults.times_out:
            return _refused(504, "OperationTimeout")
        return self._new_task() if faults.task else RedfishAnswer(204)

    def _new_task(self) -> RedfishAnswer:
        self._tasks.append(time.monotonic())
        place = f"{documents.MONITORS}/{len(self._tasks) - 1}"
        return RedfishAnswer(202, documents.task(place, "New"), {"Location": place})

    def _monitor(self, path: str) -> RedfishAnswer:
        began = self._tasks[int(path.rsplit("/", 1)[-1])]
        if self.faults.task == "endless" or time.monotonic() - began < 0.5:
            return RedfishAnswer(202, documents.task(path, "Running"))
        return RedfishAnswer(200, documents.task(path, "Exception" if self.faults.task == "fails" else "Completed"))


def _refused(status: int, message: str) -> RedfishAnswer:
    return RedfishAnswer(status, documents.error(message))
