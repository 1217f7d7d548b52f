"""Every test runs on a real database and a real broker of its own pytest process."""

import gc
import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import django
import hypothesis
import pytest
import redis
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import translation
from pytest_django.plugin import DjangoDbBlocker
from whitenoise.base import WhiteNoise

from tests import services, tables

if TYPE_CHECKING:
    from playwright.sync_api import Browser

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
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STOPPING = pytest.StashKey[ExitStack]()
LISTED: dict[tuple[str, str], dict[str, Any]] = {}  # the static files, by folder and prefix


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
        _without_sync()
        _list_static_files_once()
        if pool := settings.DATABASES["default"].get("OPTIONS", {}).get("pool"):
            pool["max_size"] = 40  # one test process holds servers, their clients and threads of its own
        config.stash[STOPPING] = stack.pop_all()


def _without_sync() -> None:
    """Let SQLite's commits not wait for the disk: no test cuts the power, and PostgreSQL runs so, too."""
    options = settings.DATABASES["default"]["OPTIONS"]
    if "init_command" in options:
        faster = {**options, "init_command": f"{options['init_command']}; PRAGMA synchronous=OFF"}
        settings.DATABASES["default"]["OPTIONS"] = faster


def _list_static_files_once() -> None:
    """Let all clients share one list of the static files, which took each of them most of its first request."""
    plain = WhiteNoise.update_files_dictionary

    def update(self: WhiteNoise, root: str, prefix: str) -> None:
        if (root, prefix) not in LISTED:
            plain(self, root, prefix)
            LISTED[root, prefix] = dict(self.files)
        self.files.update(LISTED[root, prefix])

    WhiteNoise.update_files_dictionary = update


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the broker and remove its folder."""
    if stack := config.stash.get(STOPPING, None):
        stack.close()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests of what only the other database has; they count as deselected, not as skipped.

    Those that ask for no database run once, on the first.
    """
    second = os.environ.get("DATABASE_URL", "").startswith("postgres")
    other = "sqlite" if second else "postgresql"
    gone = {item for item in items if item.get_closest_marker(f"only_{other}") or (second and not _asks_for_rows(item))}
    config.hook.pytest_deselected(items=[*gone])
    left = [item for item in items if item not in gone]
    items[:] = _slow_first(left, getattr(config, "workerinput", {}).get("workercount", 1))


def _slow_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Return the tests so that each worker's part, as xdist cuts them, begins with its share of the slow files.

    What the workers steal from each other is then quick, and none is left alone with a slow test in the end. The
    first has all installations that are killed: they mostly wait, while the others compute.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    slow = sorted({item.path for item in items if item.get_closest_marker("slow")})
    waiting = [path for path in slow if path.parent.name == "crash"]
    others = [path for path in slow if path not in waiting]
    quick = [item for path, those in files.items() if path not in slow for item in those]
    ordered: list[pytest.Item] = []
    for number in range(workers):
        begin = waiting if number == 0 < workers - 1 else others[number - 1 :: workers - 1] if number else slow
        part = [item for path in begin for item in files[path]]
        rest = (len(items) - len(ordered)) // (workers - number) - len(part)
        part += [quick.pop() for _more in range(min(len(quick), max(rest, 0)))]
        ordered += part
    return ordered


def _asks_for_rows(item: pytest.Item) -> bool:
    return bool(item.get_closest_marker("django_db") or WITH_ROWS.intersection(getattr(item, "fixturenames", ())))


def pytest_collection_finish() -> None:
    """Let the collector pass over what stays for the whole run: to look at it took an eighth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


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


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_modify_db_settings: None) -> bool:
    """Whether this process's database is there already: a copy of the tables that the run has made."""
    name = connection.creation._get_test_db_name()  # type: ignore[attr-defined]
    if connection.vendor == "sqlite":
        return tables.copy_to_file(Path(name))
    return tables.MADE in os.environ and tables.copy_to_server(os.environ["DATABASE_URL"], name)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Remember the rows of a new installation, which tests with real transactions end with."""
    from tests import first_rows
    from tests.transitions import enforce

    with django_db_blocker.unblock():
        enforce()
        first_rows.keep()
        first_rows.know_content_types()
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
    LISTED.clear()


@pytest.fixture(scope="module")
def running_chromium() -> "Iterator[Browser]":
    """Debian's chromium, running."""
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's loop runs in this thread, which Django takes for asynchronous code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def broker() -> Iterator[redis.Redis]:
    """A client of this process's Valkey or Redis, emptied after each test."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        yield client


@pytest.fixture
def empty_site_env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a whole installation of its own: data folder, database, broker and free ports.

    For tests that start the product's processes. With SQLite and Valkey neither DATABASE_URL nor REDIS_URL is
    set: `up` starts its own; with PostgreSQL and Redis both name servers that are already running, and the database
    may have its tables.
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


@pytest.fixture
def site_env(empty_site_env: dict[str, str]) -> dict[str, str]:
    """The same with the tables of a new installation, for tests that look at something else than how they are made."""
    data = Path(empty_site_env["MOREH_DATA_DIR"])
    data.mkdir(mode=0o700)
    if tables.MADE not in os.environ:
        tables.migrate(empty_site_env)
    elif "DATABASE_URL" not in empty_site_env:
        tables.copy_to_file(data / "moreh.sqlite3")
    return empty_site_env


@pytest.fixture
def alert_changes() -> Iterator[list[tuple[int, str]]]:
    """Return what the signal of alerts has said since the test began."""
    from tests.alerts.heard import heard

    with heard() as changes:
        yield changes
