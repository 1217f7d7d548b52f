"""Whether PostgreSQL's client can use the parameters of a URL. No server is asked."""

import re
from collections.abc import Mapping
from typing import Any

NUMBERS = (
    "connect_timeout",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "port",
    "tcp_user_timeout",
)
OF_DJANGO = ("assume_role", "isolation_level", "prepare_threshold", "server_side_binding")
NOWHERE = {"host": "/nowhere", "port": "1"}  # a folder without a socket


def problem(given: Mapping[str, Any]) -> str:
    """Return which parameters cannot be used, or "", without what may be part of a secret: values and unknown names."""
    if not given or _fit(given):
        return ""
    from psycopg import pq

    known = {each.keyword.decode() for each in pq.Conninfo.get_defaults()}
    wrong = [name for name, value in given.items() if not _fit({name: value})] or [*given]
    return ", ".join(name if name in known else "one that PostgreSQL does not know" for name in wrong)


def _fit(options: Mapping[str, Any]) -> bool:
    """Whether the client can read all parameters: it does so before it looks for the server's socket."""
    import psycopg

    if not all(re.fullmatch(r"-?[0-9]+(,[0-9]+)*", str(options.get(name, 0))) for name in NUMBERS):
        return False
    own = {name: str(value) for name, value in options.items() if name not in (*OF_DJANGO, "hostaddr")}
    try:
        connection = psycopg.pq.PGconn.connect_start(psycopg.conninfo.make_conninfo("", **{**own, **NOWHERE}).encode())
    except psycopg.ProgrammingError:
        return False
    text = connection.error_message
    connection.finish()
    return b"/nowhere/.s.PGSQL.1" in text
