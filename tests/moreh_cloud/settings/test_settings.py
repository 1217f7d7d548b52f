"""The settings as a whole: loaded in a process of their own, as every process of the product loads them."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FERNET_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
PRINT = """
import json, django.conf
settings = django.conf.settings
print(json.dumps({name: getattr(settings, name) for name in %r.split()}, default=str))
"""
# Each case in a fork of one process, which has the libraries in memory: to load them takes longer than the settings.
FORKS = """
import django.conf, json, os, sys, traceback, moreh_cloud.settings
for name in [name for name in sys.modules if name.startswith("moreh_cloud.")]:
    del sys.modules[name]
for case, variables in json.load(sys.stdin).items():
    reader, writer = os.pipe()
    if child := os.fork():
        os.close(writer)
        with open(reader) as told:
            lines = told.read()
        print(json.dumps([case, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), lines]), flush=True)
        continue
    os.dup2(writer, 2)
    os.environ.update(variables)
    try:
        django.conf.settings.DEBUG
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
"""
BROKER = "REDIS_URL must be like redis://:password@host:6379/0 (or rediss) or unix:///file."
MAIL = "MOREH_MAIL_URL must be like smtp+tls://user:password@host:587 (or smtp, smtps)."
REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "a database of another kind": (
        {"DATABASE_URL": "mysql://moreh:pssst@db/moreh"},
        "DATABASE_URL must be like postgresql://user:password@host:5432/name or sqlite:////file.",
    ),
    "a database without a name": (
        {"DATABASE_URL": "postgresql://moreh:pssst@db"},
        "DATABASE_URL must be like postgresql://user:password@host:5432/name or sqlite:////file.",
    ),
    "a database on a port that is none": (
        {"DATABASE_URL": "postgresql://moreh:pssst@db:port/moreh"},
        "DATABASE_URL must be like postgresql://user:password@host:5432/name or sqlite:////file.",
    ),
    "a broker of another kind": (
        {"REDIS_URL": "amqp://moreh:pssst@mq"},
        BROKER,
    ),
    "a broker on a port that is none": ({"REDIS_URL": "redis://:pssst@mq:port"}, BROKER),
    "a broker on a port beyond the last": ({"REDIS_URL": "redis://:pssst@mq:99999"}, BROKER),
    "a broker at half an address": ({"REDIS_URL": "redis://:pssst@[::1"}, BROKER),
    "mail to a port that is none": ({"MOREH_MAIL_URL": "smtp://moreh:pssst@h:abc"}, MAIL),
    "mail to a port beyond the last": ({"MOREH_MAIL_URL": "smtp://moreh:pssst@h:99999"}, MAIL),
    "mail to half an address": ({"MOREH_MAIL_URL": "smtp://moreh:pssst@[::1"}, MAIL),
    "links to half an address": (
        {"MOREH_PUBLIC_URL": "http://[::1"},
        "MOREH_PUBLIC_URL must be like https://cloud.example.com, not 'http://[::1'.",
    ),
    "links to a port beyond the last": (
        {"MOREH_PUBLIC_URL": "https://h:99999"},
        "MOREH_PUBLIC_URL must be like https://cloud.example.com, not 'https://h:99999'.",
    ),
    "a check of a port beyond the last": (
        {"MOREH_GRPC_CHECK_TARGET": "h:99999"},
        "MOREH_GRPC_CHECK_TARGET must be like host:port, not 'h:99999'.",
    ),
    "a check of a host without a port": (
        {"MOREH_GRPC_CHECK_TARGET": "h"},
        "MOREH_GRPC_CHECK_TARGET must be like host:port, not 'h'.",
    ),
    "keys of which there is none": (
        {"MOREH_ENCRYPTION_KEYS": " , "},
        "MOREH_ENCRYPTION_KEYS must be a list separated by commas, not ','.",
    ),
    "a key that is none": (
        {"MOREH_ENCRYPTION_KEYS": f"{FERNET_KEY},pssst"},
        "MOREH_ENCRYPTION_KEYS must be Fernet keys (32 bytes, URL-safe base64) separated by commas.",
    ),
    "a time zone that does not exist": (
        {"MOREH_TIME_ZONE": "Asia/Soul"},
        "MOREH_TIME_ZONE must be a time zone like Asia/Seoul, not 'Asia/Soul'.",
    ),
    "a certificate without its key": (
        {"MOREH_GRPC_CERT": "/etc/moreh/cert.pem"},
        "MOREH_GRPC_CERT and MOREH_GRPC_KEY must be given together.",
    ),
    "a metrics key that is easily guessed": (
        {"MOREH_METRICS_KEY": "pssst"},
        "MOREH_METRICS_KEY must be at least 16 letters, digits or signs without spaces.",
    ),
    "exporters without ports": (
        {"MOREH_METRICS_EXPORTERS": "dcgm:9400,node"},
        "MOREH_METRICS_EXPORTERS must be like name:port,name:port, not 'dcgm:9400,node'.",
    ),
    "an exporter on a port that there is not": (
        {"MOREH_METRICS_EXPORTERS": "dcgm:65536"},
        "MOREH_METRICS_EXPORTERS must be like name:port,name:port, not 'dcgm:65536'.",
    ),
    "nodes lost before they are silent": (
        {"MOREH_SILENT_AFTER": "90", "MOREH_NODE_LOST_AFTER": "90"},
        "MOREH_NODE_LOST_AFTER must be longer than MOREH_SILENT_AFTER.",
    ),
}


def load(data: Path, names: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(PRINT % names, data, **variables)


def run(script: str, data: Path, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    keep = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "moreh_cloud.settings"}
    return subprocess.run(
        [sys.executable, "-c", script],
        input=given,
        env={**keep, "MOREH_DATA_DIR": str(data), **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Load the settings with the variables of each case; return exit codes and what was written to stderr."""
    given = json.dumps({case: variables for case, (variables, _message) in REFUSED.items()})
    done = run(FORKS, tmp_path_factory.mktemp("data"), given)
    assert done.returncode == 0, done.stderr
    return {case: (code, lines) for case, code, lines in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_variable_stops_the_process_by_name_and_without_its_secret(
    case: str, refused: dict[str, tuple[int, str]]
) -> None:
    code, lines = refused[case]
    assert code == 1
    assert lines.strip().endswith(f"ImproperlyConfigured: {REFUSED[case][1]}")
    assert "pssst" not in lines


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first, second = (load(data, "SECRET_KEY MOREH_ENCRYPTION_KEYS").stdout for _ in range(2))
    assert first == second != ""
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in data.iterdir()}
    assert modes == {"secret_key": 0o600, "encryption_key": 0o600}


def test_keys_from_the_environment_leave_nothing_in_the_data_folder(tmp_path: Path) -> None:
    done = load(
        tmp_path / "data",
        "SECRET_KEY MOREH_ENCRYPTION_KEYS",
        DATABASE_URL="postgresql://moreh@db/moreh",
        MOREH_SECRET_KEY="s" * 50,
        MOREH_ENCRYPTION_KEYS=FERNET_KEY,
    )
    assert json.loads(done.stdout) == {"SECRET_KEY": "s" * 50, "MOREH_ENCRYPTION_KEYS": [FERNET_KEY]}
    assert not (tmp_path / "data").exists()


def test_two_processes_that_start_at_once_agree_on_the_key(tmp_path: Path) -> None:
    script = "from moreh_cloud.settings.security import SECRET_KEY as key; print(key)"
    environment = {"PATH": os.environ["PATH"], "MOREH_DATA_DIR": str(tmp_path / "data")}
    started = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert len({process.communicate()[0] for process in started}) == 1


def test_the_embedded_broker_has_one_address_in_three_spellings(tmp_path: Path) -> None:
    told = json.loads(load(tmp_path, "REDIS_URL CELERY_BROKER_URL CACHES").stdout)
    assert told["REDIS_URL"] == f"unix://{tmp_path}/valkey.sock"
    assert told["CELERY_BROKER_URL"] == f"redis+socket://{tmp_path}/valkey.sock"
    assert told["CACHES"]["default"]["LOCATION"] == f"unix://{tmp_path}/valkey.sock"


def test_postgresql_options_in_the_address_win_over_ours(tmp_path: Path) -> None:
    told = load(tmp_path, "DATABASES", DATABASE_URL="postgresql://m:p@db:6432/moreh?sslmode=require&connect_timeout=2")
    default = json.loads(told.stdout)["DATABASES"]["default"]
    assert (default["HOST"], default["PORT"], default["NAME"]) == ("db", 6432, "moreh")
    assert (default["OPTIONS"]["sslmode"], int(default["OPTIONS"]["connect_timeout"])) == ("require", 2)
    assert default["OPTIONS"]["pool"]["max_size"] == 10


def test_production_passes_django_s_deployment_checks(tmp_path: Path) -> None:
    production = {
        "DATABASE_URL": "postgresql://moreh@db.invalid/moreh",
        "REDIS_URL": "redis://broker.invalid/0",
        "MOREH_DATA_DIR": str(tmp_path),
        "MOREH_TLS": "1",
        "MOREH_ALLOWED_HOSTS": "cloud.invalid",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        env={"PATH": os.environ["PATH"], **production},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
