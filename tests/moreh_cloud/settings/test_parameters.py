"""Values with parts of their own: one that cannot be used stops the process by name, and no secret is repeated."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from django.core.exceptions import ImproperlyConfigured

from moreh_cloud import settings

BROKER = "REDIS_URL must be like redis://:password@host:6379/0 (or rediss) or unix:///file."
PARAMETERS = (
    "REDIS_URL has parameters that cannot be used: {}. unix:///file may have db (a number), and rediss:// may have "
    "ssl_ca_certs, ssl_cert_reqs, ssl_certfile, ssl_check_hostname, ssl_keyfile."
)
MAIL = "MOREH_MAIL_URL must be like smtp+tls://user:password@host:587 (or smtp, smtps)."
REFUSED: list[tuple[str, str, str, str]] = [
    *(
        ("broker", "REDIS_URL", f"redis://:pssst@{end}", BROKER)
        for end in ("mq/abc", "mq/0/1", "m q/0", "m..q", "mq/-1")
    ),
    ("broker", "REDIS_URL", "unix://", BROKER),
    *(
        ("broker", "REDIS_URL", url, PARAMETERS.format(wrong))
        for url, wrong in {
            "redis://:pssst@mq/0?socket_timeout=abc": "socket_timeout",
            "redis://:pssst@mq/0?socket_timeout=1&max_connections=": "max_connections, socket_timeout",
            "redis://:pssst@mq?db=1": "db",
            "redis://u:6379?pssst@mq/0": "one that is unknown",
            "rediss://:pssst@mq?ssl_cert_reqs=CERT_NONE": "ssl_cert_reqs",
            "rediss://:pssst@mq?ssl_cert_reqs=none&ssl_cert_reqs=required": "ssl_cert_reqs",
            "rediss://:pssst@mq?ssl_keyfile=/k": "ssl_keyfile",
            "unix:///file?db=x": "db",
        }.items()
    ),
    *(
        (
            "database",
            "DATABASE_URL",
            f"postgresql://moreh:pssst@db/moreh?{parameters}",
            f"DATABASE_URL has parameters that cannot be used: {wrong}.",
        )
        for parameters, wrong in {
            "sslmode=bogus": "sslmode",
            "connect_timeout=abc&sslmode=require": "connect_timeout",
            "sslmode=require&pssst=pssst": "one that PostgreSQL does not know",
            "sslmode=require&sslrootcert=system": "sslmode, sslrootcert",
            "port=abc": "port",
        }.items()
    ),
    *(
        ("mail", "MOREH_MAIL_URL", f"smtp://moreh:pssst@{end}", MAIL)
        for end in ("h?EMAIL_USE_TLS=1", "h/path", "h x", "h..x")
    ),
    *(
        (
            "mail",
            "MOREH_MAIL_FROM",
            sender,
            f"MOREH_MAIL_FROM must be like Moreh Cloud <cloud@example.com>, not {sender!r}.",
        )
        for sender in ("a@b.c\nBcc: x@y.z", "nobody", "a@b@c", "a@", "One <a@b.c>, two <d@e.f>")
    ),
    (
        "mail",
        "MOREH_PUBLIC_URL",
        "https://u:pssst@h",
        "MOREH_PUBLIC_URL must be like https://cloud.example.com, not '…'.",
    ),
    *(
        ("mail", "MOREH_PUBLIC_URL", url, f"MOREH_PUBLIC_URL must be like https://cloud.example.com, not {url!r}.")
        for url in (
            "https://h#frag",
            "https://h#",
            "https://h x",
            "https://h/path",
            "https://h?",
            "https://h\nx",
            "//h",
        )
    ),
    *(
        (
            "oidc",
            f"MOREH_OIDC_{name}_URL",
            "login.example.com",
            f"MOREH_OIDC_{name}_URL must be like https://cloud.example.com/path, not 'login.example.com'.",
        )
        for name in ("AUTHORIZATION", "TOKEN", "USERINFO", "KEYS")
    ),
    *(
        (
            module,
            name,
            "~nobody-here/x",
            f"{name} must be a path whose ~ stands for a home folder that there is, not '~nobody-here/x'.",
        )
        for module, name in (("core", "MOREH_DATA_DIR"), ("grpc", "MOREH_GRPC_CERT"))
    ),
    *(
        ("core", "MOREH_TIME_ZONE", zone, f"MOREH_TIME_ZONE must be a time zone like Asia/Seoul, not {zone!r}.")
        for zone in ("Asia", "x" * 300, "../../etc/hosts")
    ),
]
READ: dict[str, tuple[str, str, str, str, object]] = {
    "a file with a number": (
        "broker",
        "REDIS_URL",
        "unix:///run/broker?db=3",
        "CELERY_BROKER_URL",
        "redis+socket:///run/broker?virtual_host=3",
    ),
    "TLS checks certificates": (
        "broker",
        "REDIS_URL",
        "rediss://:p@mq/1",
        "CELERY_BROKER_URL",
        "rediss://:p@mq/1?ssl_cert_reqs=required",
    ),
    "TLS with an authority": (
        "broker",
        "REDIS_URL",
        "rediss://mq?ssl_ca_certs=/ca",
        "CELERY_BROKER_URL",
        "rediss://mq?ssl_ca_certs=/ca",
    ),
    "a password with signs": (
        "broker",
        "REDIS_URL",
        "redis://:p%3Fa@mq_1:6379/2",
        "CELERY_BROKER_URL",
        "redis://:p%3Fa@mq_1:6379/2",
    ),
    "IPv6": ("broker", "REDIS_URL", "redis://[::1]", "CELERY_BROKER_URL", "redis://[::1]"),
    "a sender with a name": (
        "mail",
        "MOREH_MAIL_FROM",
        '"모레, 클라우드" <a@h>',
        "DEFAULT_FROM_EMAIL",
        '"모레, 클라우드" <a@h>',
    ),
    "a public address": ("mail", "MOREH_PUBLIC_URL", "https://h:8443/", "MOREH_PUBLIC_URL", "https://h:8443"),
    "a provider with a query": (
        "oidc",
        "MOREH_OIDC_TOKEN_URL",
        "https://h/t?p=x",
        "MOREH_OIDC_TOKEN_URL",
        "https://h/t?p=x",
    ),
}


def read(module: str, name: str, value: str) -> ModuleType:
    """Read a variable as a new process does, into a copy of one of the settings' modules."""
    file = Path(settings.__file__).with_name(f"{module}.py")
    spec = spec_from_file_location(f"moreh_cloud.settings.copy_of_{module}", file)
    assert spec is not None
    assert spec.loader is not None
    copy = module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value)
        spec.loader.exec_module(copy)
    return copy


@pytest.mark.parametrize(("module", "name", "value", "message"), REFUSED)
def test_a_part_that_cannot_be_used_is_refused(module: str, name: str, value: str, message: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refusal:
        read(module, name, value)
    assert str(refusal.value) == message


@pytest.mark.parametrize("case", READ)
def test_what_can_be_used_is_read(case: str) -> None:
    module, name, value, setting, wanted = READ[case]
    assert getattr(read(module, name, value), setting) == wanted


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder := tmp_path / "file").touch()
    monkeypatch.setattr("moreh_cloud.settings.core.MOREH_DATA_DIR", folder)
    with pytest.raises(ImproperlyConfigured) as refusal:
        read("database", "DATABASE_URL", f"sqlite:///{folder}/x")
    assert str(refusal.value) == f"{folder} cannot be used (File exists). Choose another folder with MOREH_DATA_DIR."


def test_parameters_of_postgresql_are_passed_on() -> None:
    url = "postgresql:///moreh?host=/run/pg&sslmode=verify-full&keepalives_idle=9&assume_role=x"
    options = read("database", "DATABASE_URL", url).DATABASES["default"]["OPTIONS"]
    assert (options["host"], options["sslmode"], options["keepalives_idle"]) == ("/run/pg", "verify-full", 9)
