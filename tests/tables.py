"""The tables of a new installation: migrated once in a run of `tests.run`, and copied from then on.

To migrate takes a process six seconds; every process of the tests and every installation in processes needs it.
"""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

ROOT = Path(__file__).resolve().parents[1]
MADE = "MOREH_TEST_TABLES"  # a file of SQLite or the name of a PostgreSQL database; unset: everybody migrates


def make(folder: Path, environment: dict[str, str]) -> dict[str, str]:
    """Return the environment with the name of a migrated database, which lies in `folder` or on its server."""
    server = environment.get("DATABASE_URL")
    if server:
        name, url = "moreh_tables", f"{server.rpartition('/')[0]}/moreh_tables"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    else:
        name = str(folder / "tables.sqlite3")
        url = f"sqlite:///{name}"
    migrate({**environment, "DATABASE_URL": url, "MOREH_DATA_DIR": str(folder / "data")})
    return {**environment, MADE: name}


def migrate(environment: dict[str, str]) -> None:
    """Make the tables in the database that the environment names."""
    command = [sys.executable, "-W", "ignore", "manage.py", "migrate", "--verbosity", "0", "--skip-checks"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def copy_to_file(target: Path) -> bool:
    """Copy the tables to a file of SQLite; tell whether there are any."""
    if made := os.environ.get(MADE):
        with closing(sqlite3.connect(made)) as read, closing(sqlite3.connect(target)) as write:
            read.backup(write)
    return bool(made)


def copy_to_server(server_url: str, name: str) -> bool:
    """Create a PostgreSQL database with the tables, or an empty one; tell whether it has them."""
    made = os.environ.get(MADE)
    command = SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(made or "template1"))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(command)
    return bool(made)
