"""What the supervisor starts, as arguments of a process."""

import argparse
from dataclasses import asdict, dataclass, fields
from ipaddress import ip_address
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Site:
    """What to start and where, by the settings. It holds no secrets: it is passed as arguments."""

    data_dir: Path
    http_host: str
    http_port: int
    grpc_host: str
    grpc_port: int
    demo_nodes: int
    demo_jobs: int
    demo_faults: int
    own_broker: bool
    mail_server: bool = False
    metrics_key: bool = False
    webhooks_here: bool = False  # the demo: they may go to plain http and to this machine

    @property
    def web(self) -> str:
        """Return the address of the web server."""
        return f"http://{_reachable(self.http_host)}:{self.http_port}"

    @property
    def grpc(self) -> str:
        """Return the address of the gRPC server."""
        return f"{_reachable(self.grpc_host)}:{self.grpc_port}"

    def arguments(self) -> list[str]:
        """Return what `parse` reads."""
        return [
            f"--{name.replace('_', '-')}={int(v) if isinstance(v, bool) else v}" for name, v in asdict(self).items()
        ]


def _reachable(host: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - every address answers on loopback too
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on a host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse(words: list[str]) -> Site:
    """Return the site of arguments that `Site.arguments` returned."""
    parser = argparse.ArgumentParser(prog="python -m moreh_cloud.supervisor", description="Use `manage.py up`.")
    for field in fields(Site):
        kind: type[Path | str | int] = Path if field.type is Path else str if field.type is str else int
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, required=True)
    given = vars(parser.parse_args(words))
    switches = {field.name: bool(given[field.name]) for field in fields(Site) if field.type is bool}
    return Site(**{**given, **switches})
