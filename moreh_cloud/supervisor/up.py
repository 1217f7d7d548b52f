import json
import secrets
import signal
import threading
import time
from types import FrameType

from moreh_cloud.supervisor import parts
from moreh_cloud.supervisor.child import Child
from moreh_cloud.supervisor.console import Console
from moreh_cloud.supervisor.errors import PartDied, Refused, Stopped
from moreh_cloud.supervisor.guards import listens, only_one, require_start
from moreh_cloud.supervisor.health import not_ready
from moreh_cloud.supervisor.site import Site

READY_TIMEOUT = 120.0  # seconds until nothing may be in error any more
FLEET_TIMEOUT, PART_TIMEOUT, BROKER_TIMEOUT = 4.0, 8.0, 2.0  # seconds to end after SIGTERM
LOOK = 0.1  # seconds between two looks at the parts
ASK = 0.3  # seconds between two questions at /api/check, which has a limit like all of REST
HERE = "may go to http:// and to this machine (demo; see MOREH_OUTBOX_HTTP and MOREH_OUTBOX_NETWORKS)"
FOR_PEOPLE = "CommandError: "  # begins the last line of a command that knows why it cannot go on


def up(site: Site, password: str) -> int:
    """Start everything and stay until Ctrl-C or SIGTERM (gives 0), or until something fails (gives 1).

    The password is the first administrator's; without one it is made here, and shown.
    """
    console = Console()
    supervisor = Supervisor(site, console, password)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, supervisor.on_signal)
    try:
        with only_one(site.data_dir):
            return supervisor.run()
    except Refused as refusal:
        console.show(f"Not started: {refusal}")
        return 1


class Supervisor:
    """Starts the parts in order, watches them, and stops them in the opposite order."""

    def __init__(self, site: Site, console: Console, password: str) -> None:
        self._site, self._console = site, console
        self._given, self._made = password, secrets.token_urlsafe(12)
        self._env = parts.environment(site)
        self._children: list[Child] = []
        self._stop = threading.Event()
        self._begun = time.monotonic()

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Begin to stop; at a second signal, kill everything at once."""
        if self._stop.is_set():
            for child in self._children:
                child.signal(signal.SIGKILL)
        self._stop.set()

    def run(self) -> int:
        """Start, watch and stop; return the exit code."""
        require_start(self._site)
        try:
            self._start()
            while True:
                self._watch()
        except Stopped:
            self._console.show("Stopping …")
            return 0
        except PartDied as death:
            self._console.show(f"\n{death}\nStopping the rest …")
            return 1
        finally:
            self._stop_all()
            self._console.show("All stopped.")

    def _start(self) -> None:
        if self._site.own_broker:
            self._run("valkey", parts.valkey(self._site.data_dir))
        prepare = self._run("prepare", parts.PREPARE, answers=True, given=self._given or self._made)
        static = self._run("static", parts.STATIC)
        self._finish(prepare)
        for name, command in parts.BACKGROUND.items():
            self._run(name, command)
        self._finish(static)
        self._run("web", parts.WEB)
        self._await_ready(self._start_fleet() if self._site.demo_nodes else None)
        self._announce(json.loads(prepare.answers[-1]))

    def _start_fleet(self) -> Child:
        """Start the fleet when the gRPC server listens; agents would wait for it, but with many warnings."""
        while not listens(self._site.grpc):
            self._watch()
        return self._run("fleet", parts.fleet(self._site), answers=True)

    def _run(self, name: str, command: list[str], *, answers: bool = False, given: str = "") -> Child:
        child = Child(name, command, self._env, self._console, answers=answers, given=given)
        self._children.append(child)
        return child

    def _finish(self, child: Child) -> None:
        """Wait for a part that prepares something and ends."""
        while not child.wait(LOOK):
            self._watch(besides=child)
        self._watch(besides=child)
        if child.exit_code:
            raise _death(child)
        child.drain()
        self._children.remove(child)

    def _watch(self, besides: Child | None = None) -> None:
        """Look once. Raises Stopped or PartDied."""
        if self._stop.wait(0 if besides else LOOK):
            raise Stopped
        for child in self._children:
            ended_well = child.name in ("prepare", "static") and child.exit_code == 0
            if child is not besides and child.exit_code is not None and not ended_well:
                raise _death(child)

    def _await_ready(self, fleet: Child | None) -> None:
        deadline = time.monotonic() + READY_TIMEOUT
        while missing := not_ready(self._site.web) or ("the nodes are not up" if fleet and not fleet.answers else ""):
            next_question = time.monotonic() + ASK
            while time.monotonic() < next_question:
                self._watch()
            if time.monotonic() > deadline:
                raise PartDied(f"Not ready after {READY_TIMEOUT:.0f} s: {missing}.")

    def _announce(self, prepared: dict[str, str]) -> None:
        site, username = self._site, prepared["username"]
        kept = f"(unchanged; `manage.py create_operator {username}` gives another)"
        made = "(as MOREH_ADMIN_PASSWORD says)" if self._given else f"{self._made} (made now)"
        shown = made if prepared["administrator"] == "made" else kept
        self._console.show(
            f"\nMoreh Cloud is ready after {time.monotonic() - self._begun:.1f} s.\n"
            f"  admin     {site.web}/admin/\n"
            f"  REST      {site.web}/api-docs/\n"
            f"  gRPC      {site.grpc}\n"
            f"  login     {username}\n"
            f"  password  {shown}\n"
            f"  data      {site.data_dir}\n"
            f"{notes_of(site)}"
            f"Ctrl-C stops everything.\n"
        )

    def _stop_all(self) -> None:
        """First the fleet, whose clients say goodbye; then everything that serves; last the broker."""
        fleet = [child for child in self._children if child.name == "fleet"]
        broker = [child for child in self._children if child.name == "valkey"]
        serving = [child for child in self._children if child not in fleet + broker]
        for group, timeout in ((fleet, FLEET_TIMEOUT), (serving, PART_TIMEOUT), (broker, BROKER_TIMEOUT)):
            _end(group, timeout)


def notes_of(site: Site) -> str:
    """Return what a newcomer would otherwise look for, a line each."""
    notes = {
        "mail": "" if site.mail_server else f"no server (MOREH_MAIL_URL); mails are files in {site.data_dir}/mail",
        "webhooks": HERE if site.webhooks_here else "",
        "metrics": f"{site.web}/metrics (Authorization: Bearer and MOREH_METRICS_KEY)" if site.metrics_key else "",
    }
    return "".join(f"  {name:<9} {note}\n" for name, note in notes.items() if note)


def _end(children: list[Child], timeout: float) -> None:
    for child in children:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + timeout
    for child in children:
        child.wait(deadline - time.monotonic())
    for child in children:
        child.signal(signal.SIGKILL)  # and whatever of its group is left
        child.wait(1)
        child.drain()


def _death(child: Child) -> PartDied:
    child.drain()
    code = child.exit_code
    if code == 1 and child.last and child.last[-1].startswith(FOR_PEOPLE):
        return PartDied(f"Not started: {child.last[-1].removeprefix(FOR_PEOPLE)}")
    how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
    last = "".join(f"\n  {line}" for line in child.last)
    return PartDied(f"{child.name} {how}. Its last lines:{last or ' none'}")
