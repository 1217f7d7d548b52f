import json
import secrets
import signal
import threading
import time
from types import FrameType

from moreh_cloud.supervisor import parts
from moreh_cloud.supervisor.child import Child
from moreh_cloud.supervisor.console import Console
from moreh_cloud.supervisor.guards import Refused, listens, only_one, require_room
from moreh_cloud.supervisor.health import not_green
from moreh_cloud.supervisor.site import Site

READY_PATIENCE = 120.0  # seconds until all must be green
FLEET_PATIENCE, PART_PATIENCE, BROKER_PATIENCE = 4.0, 8.0, 2.0  # seconds to end after SIGTERM
LOOK = 0.1  # seconds between two looks at the parts
FOR_PEOPLE = "CommandError: "  # begins the last line of a command that knows why it cannot go on


class Stopped(Exception):
    """Ctrl-C or SIGTERM."""


class PartDied(Exception):
    """A part ended by itself, or could not be prepared."""


def up(site: Site) -> int:
    """Start everything and stay until Ctrl-C or SIGTERM (gives 0), or until something fails (gives 1)."""
    console = Console()
    supervisor = Supervisor(site, console)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, supervisor.on_signal)
    try:
        with only_one(site.data_dir):
            return supervisor.run()
    except Refused as refusal:
        console.say(f"Not started: {refusal}")
        return 1


class Supervisor:
    """Starts the parts in order, watches them, and stops them in the opposite order."""

    def __init__(self, site: Site, console: Console) -> None:
        self._site, self._console = site, console
        self._env = parts.environment(site)
        self._children: list[Child] = []
        self._stop = threading.Event()
        self._begun = time.monotonic()

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Ask for the end; asked again, end everything at once."""
        if self._stop.is_set():
            for child in self._children:
                child.signal(signal.SIGKILL)
        self._stop.set()

    def run(self) -> int:
        """Start, watch and stop; gives the exit code."""
        require_room(self._site)
        try:
            self._start()
            while True:
                self._watch()
        except Stopped:
            self._console.say("Stopping …")
            return 0
        except PartDied as death:
            self._console.say(f"\n{death}\nStopping the rest …")
            return 1
        finally:
            self._stop_all()
            self._console.say("All stopped.")

    def _start(self) -> None:
        if self._site.own_broker:
            self._run("valkey", parts.valkey(self._site.data_dir))
        password = parts.given_password() or secrets.token_urlsafe(12)
        prepare = self._run("prepare", parts.PREPARE, answers=True, MOREH_ADMIN_PASSWORD=password)
        static = self._run("static", parts.STATIC)
        self._finish(prepare)
        for name, command in parts.BACKGROUND.items():
            self._run(name, command)
        self._finish(static)
        self._run("web", parts.WEB)
        self._await_green(self._start_fleet() if self._site.demo_nodes else None)
        self._announce(json.loads(prepare.answers[-1]), password)

    def _start_fleet(self) -> Child:
        """Start the fleet when the gRPC server listens; agents would wait for it, but with many warnings."""
        while not listens(self._site.grpc):
            self._watch()
        return self._run("fleet", parts.fleet(self._site), answers=True)

    def _run(self, name: str, command: list[str], *, answers: bool = False, **env: str) -> Child:
        child = Child(name, command, {**self._env, **env}, self._console, answers=answers)
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

    def _await_green(self, fleet: Child | None) -> None:
        deadline = time.monotonic() + READY_PATIENCE
        while missing := not_green(self._site.web) or ("the nodes are not up" if fleet and not fleet.answers else ""):
            self._watch()
            if time.monotonic() > deadline:
                raise PartDied(f"Not ready after {READY_PATIENCE:.0f} s: {missing}.")

    def _announce(self, prepared: dict[str, str], password: str) -> None:
        site, username = self._site, prepared["username"]
        kept = f"(unchanged; `manage.py create_operator {username}` gives another)"
        shown = f"{password} (made now)" if prepared["administrator"] == "made" else kept
        self._console.say(
            f"\nMoreh Cloud is ready after {time.monotonic() - self._begun:.1f} s.\n"
            f"  admin     {site.web}/admin/\n"
            f"  REST      {site.web}/api-docs/\n"
            f"  gRPC      {site.grpc}\n"
            f"  login     {username}\n"
            f"  password  {shown}\n"
            f"  data      {site.data_dir}\n"
            f"Ctrl-C stops everything.\n"
        )

    def _stop_all(self) -> None:
        """First the fleet, whose clients say goodbye; then everything that serves; last the broker."""
        fleet = [child for child in self._children if child.name == "fleet"]
        broker = [child for child in self._children if child.name == "valkey"]
        serving = [child for child in self._children if child not in fleet + broker]
        for group, patience in ((fleet, FLEET_PATIENCE), (serving, PART_PATIENCE), (broker, BROKER_PATIENCE)):
            _end(group, patience)


def _end(children: list[Child], patience: float) -> None:
    for child in children:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + patience
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
