"""Where a server is, how it is trusted, and what its errors say."""

import asyncio
import re
import subprocess
from pathlib import Path

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from clients.agent.main import own_address
from clients.backoff import Backoff
from clients.channel import Server, Tls, explain
from clients.errors import SettingError, TokenMissing
from clients.run import JobClient, JobRefused
from clients.secrets_on_disk import keep_secret, read_token
from protocol.v1.jobs_pb2_grpc import add_JobsServicer_to_server
from tests.clients.job_peer import RUNNING, TOKEN, Manager, rich

P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a server and a client that it knows."""
    folder = tmp_path_factory.mktemp("pki")
    openssl(folder, "req", "-x509", *P256, "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    for name in ("server", "client"):
        openssl(folder, "req", *P256, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.pem")
    return folder


TRUST = {
    "mutual TLS": (("ca.pem", "client.pem", "client.key"), True),
    "no certificate where one is asked for": (("ca.pem", None, None), False),
    "an authority that nobody knows": ((None, "client.pem", "client.key"), False),
    "no TLS at all": (None, False),
}


@pytest.mark.parametrize("case", TRUST)
def test_trust(case: str, pki: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.run.client.OPENING_TIMEOUT", 0.3)
    files, welcome = TRUST[case]
    tls = Tls(*(pki / file if file else None for file in files)) if files else None

    async def tell() -> None:
        served = Manager()
        server = grpc.aio.server()
        add_JobsServicer_to_server(served, server)
        pair = [((pki / "server.key").read_bytes(), (pki / "server.pem").read_bytes())]
        credentials = grpc.ssl_server_credentials(pair, (pki / "ca.pem").read_bytes(), require_client_auth=True)
        port = server.add_secure_port("127.0.0.1:0", credentials)
        await server.start()
        job = JobClient(Server(f"127.0.0.1:{port}", tls), TOKEN, backoff=Backoff(first=0.05))
        job.start()
        try:
            if welcome:
                await served.hears("open")
                served.say(RUNNING)
                assert await job.ready() == RUNNING
            else:
                with pytest.raises(JobRefused) as refused:
                    await job.ready()
                assert refused.value.code == "UNAVAILABLE"
        finally:
            job.abandon()
            await server.stop(None)

    asyncio.run(tell())


ENVIRONMENTS: dict[str, tuple[dict[str, str], str | None, Server]] = {
    "nothing said": ({}, None, Server("localhost:50052")),
    "the environment's": ({"MOREH_SERVER": "a:1"}, None, Server("a:1")),
    "the option wins": ({"MOREH_SERVER": "a:1"}, "b:2", Server("b:2")),
    "TLS with the system's authorities": ({"MOREH_TLS": "1"}, "b:2", Server("b:2", Tls())),
    "an authority means TLS": ({"MOREH_TLS_CA": "/ca.pem"}, "b:2", Server("b:2", Tls(Path("/ca.pem")))),
}


@pytest.mark.parametrize("case", ENVIRONMENTS)
def test_servers(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env, option, expected = ENVIRONMENTS[case]
    for name in ("MOREH_SERVER", "MOREH_TLS", "MOREH_TLS_CA", "MOREH_TLS_CERT", "MOREH_TLS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert Server.from_env(option) == expected


def test_a_tls_file_that_is_not_there_is_named() -> None:
    async def tell() -> None:
        job = JobClient(Server("127.0.0.1:1", Tls(Path("/no/ca.pem"))), TOKEN)
        job.start()
        with pytest.raises(JobRefused, match=r"/no/ca\.pem"):
            await job.ready()

    asyncio.run(tell())


def test_tls_files_that_cannot_be_used_are_named(pki: Path, tmp_path: Path) -> None:
    ca, certificate, key, rubbish = pki / "ca.pem", pki / "client.pem", pki / "client.key", tmp_path / "rubbish"
    rubbish.write_bytes(b"\xff\x00no PEM")
    Tls(ca, certificate, key).credentials()
    useless = {
        Tls(rubbish): f"{rubbish} holds no certificate of an authority that can be read.",
        Tls(tmp_path): f"{tmp_path} cannot be read: Is a directory.",
        Tls(tmp_path / "none"): f"{tmp_path}/none cannot be read: No such file or directory.",
    }
    for wrong in (rubbish, pki / "server.key"):
        pair = f"{certificate} and {wrong} are no certificate and its key that can be read."
        useless[Tls(None, certificate, wrong)] = pair
    for tls, text in useless.items():
        with pytest.raises(OSError, match=f"^{re.escape(text)}$"):
            tls.credentials()


def test_the_token_comes_from_file_environment_or_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    default, other = tmp_path / "token", tmp_path / "other"
    monkeypatch.delenv("MOREH_TOKEN", raising=False)
    with pytest.raises(TokenMissing, match=r"SDA token is not given\."):
        read_token(default=default)
    keep_secret(default, "from-default")
    keep_secret(other, "from-file")
    assert read_token(default=default) == "from-default"
    monkeypatch.setenv("MOREH_TOKEN", "from-environment")
    assert read_token(default=default) == "from-environment"
    assert read_token(other, default=default) == "from-file"
    with pytest.raises(SettingError, match="none cannot be read: No such file or directory"):
        read_token(tmp_path / "none", default=default)


def test_a_token_that_may_not_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOREH_TOKEN", raising=False)
    with pytest.raises(SettingError, match="cannot be read: Is a directory"):
        read_token(default=tmp_path)
    with pytest.raises(SettingError, match="cannot be read: File name too long"):
        read_token(tmp_path / ("x" * 300))
    monkeypatch.setenv("MOREH_TOKEN", "two words")
    with pytest.raises(SettingError, match="MOREH_TOKEN holds no secret that can be sent"):
        read_token(default=tmp_path / "none")


SERVERS: dict[str, tuple[dict[str, str], Tls | None]] = {
    "nothing said": ({}, None),
    "plain": ({"TLS": "0"}, None),
    "empty is not said": ({"TLS": ""}, None),
    "the system's authorities": ({"TLS": "1"}, Tls()),
    "an authority asks for TLS": ({"TLS": "0", "TLS_CA": "/ca.pem"}, Tls(ca=Path("/ca.pem"))),
    "mutual TLS": (
        {"TLS_CERT": "/c.pem", "TLS_KEY": "/k.pem"},
        Tls(certificate=Path("/c.pem"), key=Path("/k.pem")),
    ),
}


def set_settings(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name in ("SERVER", "TLS", "TLS_CA", "TLS_CERT", "TLS_KEY"):
        monkeypatch.delenv(f"MOREH_{name}", raising=False)
    for name, value in values.items():
        monkeypatch.setenv(f"MOREH_{name}", value)


@pytest.mark.parametrize("case", SERVERS)
def test_how_a_server_is_trusted(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values, expected = SERVERS[case]
    set_settings(monkeypatch, values)
    assert Server.from_env() == Server("localhost:50052", expected)


MEANINGLESS = {
    "a word": ({"TLS": "true"}, "MOREH_TLS is 'true': 1 (TLS) or 0 (plain) is expected."),
    "another number": ({"TLS": "2"}, "MOREH_TLS is '2': 1 (TLS) or 0 (plain) is expected."),
    "half of mutual TLS": (
        {"TLS_CERT": "/c.pem"},
        "MOREH_TLS_CERT and MOREH_TLS_KEY belong together: give both or neither.",
    ),
    "no port": ({"SERVER": "cloud"}, "MOREH_SERVER is 'cloud': host:port is expected, as in cloud.example:50052."),
    "a URL": ({"SERVER": "http://cloud:1"}, "MOREH_SERVER is 'http://cloud:1': host:port is expected, as in"),
    "a port beyond all": ({"SERVER": "cloud:65536"}, "MOREH_SERVER is 'cloud:65536': host:port is expected"),
    "a port that is no number": ({"SERVER": "cloud:²"}, "MOREH_SERVER is 'cloud:²': host:port is expected"),
}


@pytest.mark.parametrize("case", MEANINGLESS)
def test_a_setting_that_means_nothing_is_refused(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values, expected = MEANINGLESS[case]
    set_settings(monkeypatch, values)
    with pytest.raises(SettingError) as refused:
        Server.from_env()
    assert str(refused.value).startswith(expected)


NO_WAY = {
    "no label may be empty": ("a..b:1", "No way to the server a..b:1 was found: it is no name of a host."),
    "nobody knows the name": ("nobody.invalid:1", "No way to the server nobody.invalid:1 was found: "),
}


@pytest.mark.parametrize("case", NO_WAY)
def test_an_agent_says_to_which_server_it_finds_no_way(case: str) -> None:
    address, expected = NO_WAY[case]
    with pytest.raises(SettingError) as refused:
        own_address(Server(address))
    assert str(refused.value).startswith(expected)


def test_only_a_server_that_did_not_answer_cannot_be_reached() -> None:
    away = rich(grpc.StatusCode.UNAVAILABLE, "DATABASE_ERROR", "A service that is needed does not answer; try again.")
    told = Metadata(*away.trailing_metadata)
    server, code = Server("cloud:1"), grpc.StatusCode.UNAVAILABLE
    assert explain(AioRpcError(code, Metadata(), told, details=away.details), server) == away.details
    silent = AioRpcError(code, Metadata(), Metadata(), details="Socket closed")
    assert explain(silent, server) == "The server cloud:1 cannot be reached."


def test_a_secret_is_for_its_owner_only(tmp_path: Path) -> None:
    keep_secret(tmp_path / "node.key", "one")
    keep_secret(tmp_path / "node.key", "two")
    assert (tmp_path / "node.key").read_text() == "two\n"
    assert (tmp_path / "node.key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["node.key"]
