"""Every test runs on a real database and a real broker of its own pytest process."""

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp

import django
import hypothesis
import pytest
import redis
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.utils import translation
from pytest_django.plugin import DjangoDbBlocker

from tests import services

# A slow hash protects passwords; those of tests are known, and hashing them took a quarter of the run.
FAST_HASHER = "django.contrib.auth.hashers.MD5PasswordHasher"
# A connection of a server thread that is still ending would keep the test database from being dropped.
END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# Laws are checked on busy machines too: how long an example takes to draw or to run says nothing of them.
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("busy")
WITH_ROWS = {"db", "transactional_db", "site"}  # fixtures; a site is a whole installation in processes
STOPPING = pytest.StashKey[ExitStack]()
RESTORE = pytest.StashKey[Callable[[], None]]()


def pytest_configure(config: pytest.Config) -> None:
    """Start this process's broker and point the settings at it, before Django reads them."""
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        return  # only hands tests out to workers, each of which comes here itself
    with ExitStack() as stack:
        folder = Path(mkdtemp(prefix="moreh-test-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        broker = services.BROKERS[os.environ.get("MOREH_TEST_BROKER", "valkey")]
        for name in [name for name in os.environ if name.startswith("MOREH_") and not name.startswith("MOREH_TEST_")]:
            del os.environ[name]
        os.environ["REDIS_URL"] = stack.enter_context(broker(folder))
        os.environ["MOREH_DATA_DIR"] = str(folder)
        os.environ["DJANGO_SETTINGS_MODULE"] = "moreh_cloud.settings"
        (folder / "static").mkdir()  # whitenoise warns about a folder that is not there
        django.setup()
        settings.PASSWORD_HASHERS = [FAST_HASHER]
        if pool := settings.DATABASES["default"].get("OPTIONS", {}).get("pool"):
            pool["max_size"] = 40  # one test process holds servers, their clients and threads of its own
        config.stash[STOPPING] = stack.pop_all()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the broker and remove its folder."""
    if stack := config.stash.get(STOPPING, None):
        stack.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests of what only the other database has; they count as deselected, not as skipped.

    Those that ask for no database run once, on the first.
    """
    second = os.environ.get("DATABASE_URL", "").startswith("postgres")
    other = "sqlite" if second else "postgresql"
    gone = {item for item in items if item.get_closest_marker(f"only_{other}") or (second and not _asks_for_rows(item))}
    config.hook.pytest_deselected(items=[*gone])
    items[:] = [item for item in items if item not in gone]


def _asks_for_rows(item: pytest.Item) -> bool:
    return bool(item.get_closest_marker("django_db") or WITH_ROWS.intersection(getattr(item, "fixturenames", ())))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count a skipped test as failed: what is not tested must not look green."""
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Count a skipped file as failed."""
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, None, None]:
    """Put back the rows that migrations made, after a test with real transactions has emptied every table."""
    yield
    marker = item.get_closest_marker("django_db")
    emptied = (marker and marker.kwargs.get("transaction")) or "transactional_db" in getattr(item, "fixturenames", ())
    if emptied and nextitem is not None:
        item.config.stash[RESTORE]()


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Remember the rows of a new installation; content types and permissions come back by themselves."""
    models = [model for model in apps.get_models() if model._meta.app_label not in ("contenttypes", "auth")]
    with django_db_blocker.unblock():
        rows = [row for model in models for row in model._base_manager.all()]

    def restore() -> None:
        with django_db_blocker.unblock(), transaction.atomic():
            for row in rows:
                row.save_base(raw=True)
        connections.close_all()

    request.config.stash[RESTORE] = restore
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(END_OTHERS)


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"Skipping is not allowed here: {report.longrepr}"


@pytest.fixture(autouse=True)
def _empty_broker() -> Iterator[None]:
    """Leave nothing of one test in the broker for the next."""
    yield
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        client.flushall()


@pytest.fixture(autouse=True)
def _own_language() -> Iterator[None]:
    """Leave the language of one test's requests behind."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session")
def static_files() -> None:
    """The collected static files, which pages name by the hashes of their contents."""
    call_command("collectstatic", interactive=False, verbosity=0)


@pytest.fixture
def broker() -> Iterator[redis.Redis]:
    """A client of this process's Valkey or Redis, emptied after each test."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        yield client


@pytest.fixture
def site_env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a whole installation of its own: data folder, database, broker and free ports.

    For tests that start the product's processes. With SQLite and Valkey neither DATABASE_URL nor REDIS_URL is
    set: `up` starts its own; with PostgreSQL and Redis both name servers that are already running.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MOREH_", "PYTEST_"))}
    inherited.pop("REDIS_URL")
    server = inherited.pop("DATABASE_URL", "")
    ports = {"MOREH_HTTP_PORT": str(services.free_port()), "MOREH_GRPC_PORT": str(services.free_port())}
    site = {**inherited, **ports, "MOREH_DATA_DIR": str(tmp_path / "data")}
    with ExitStack() as stack:
        if server:
            site["DATABASE_URL"] = stack.enter_context(services.database_of_its_own(server))
            site["REDIS_URL"] = stack.enter_context(services.redis_server(tmp_path))
        yield site
