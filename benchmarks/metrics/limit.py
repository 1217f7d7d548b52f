"""The limit beside us: one SELECT of the same rows and a line for each value, nothing else, on the same server."""

import os
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import psycopg

NAMES = (
    "temperature",
    "memory_temperature",
    "utilization",
    "memory_utilization",
    "used_memory",
    "power",
    "total_memory",
)
QUERY = f"""
SELECT b.name, d.index, g.name, d.model, d.status, d.verdict, {", ".join(NAMES)}
FROM backends_device d
JOIN backends_backend b ON b.id = d.backend_id
JOIN backends_backendgroup g ON g.id = b.group_id
LEFT JOIN backends_telemetry t ON t.device_id = d.id
WHERE b.deleted_at IS NULL
"""  # noqa: S608 - constants


@lru_cache(maxsize=1)
def _connection() -> psycopg.Connection[Any]:
    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)


def application(_environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
    """Answer every request with all values of all devices."""
    lines: list[str] = []
    for node, index, group, model, status, verdict, *values in _connection().execute(QUERY):
        labels = f'node="{node}",group="{group}",device="{index}",model="{model}"'
        lines.extend(f"moreh_device_{name}{{{labels}}} {value}\n" for name, value in zip(NAMES, values, strict=True))
        lines.append(f'moreh_device_state{{{labels},status="{status}",verdict="{verdict}"}} 1.0\n')
    body = "".join(lines).encode()
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
