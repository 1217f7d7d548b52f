import argparse
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Site:
    """What to start and where, as the settings say. No secrets: it is handed over as arguments."""

    data_dir: Path
    http_host: str
    http_port: int
    grpc_host: str
    grpc_port: int
    demo_nodes: int
    demo_jobs: int
    own_broker: bool

    @property
    def web(self) -> str:
        return f"http://{_reachable(self.http_host)}:{self.http_port}"

    @property
    def grpc(self) -> str:
        return f"{_reachable(self.grpc_host)}:{self.grpc_port}"

    def arguments(self) -> list[str]:
        """Give what `parse` reads."""
        return [
            f"--{name.replace('_', '-')}={int(v) if isinstance(v, bool) else v}" for name, v in asdict(self).items()
        ]


def _reachable(host: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - every address answers on loopback too
    return f"[{host}]" if ":" in host else host


def parse(words: list[str]) -> Site:
    """Read the arguments that `Site.arguments` gave."""
    parser = argparse.ArgumentParser(prog="python -m moreh_cloud.supervisor", description="Use `manage.py up`.")
    for field in fields(Site):
        kind: type[Path | str | int] = Path if field.type is Path else str if field.type is str else int
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, required=True)
    given = vars(parser.parse_args(words))
    return Site(**{**given, "own_broker": bool(given["own_broker"])})
