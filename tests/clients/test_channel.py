"""Where a server is, how it is trusted, and what its errors say."""

import asyncio
import subprocess
from pathlib import Path

import grpc
import pytest

from clients.channel import Server, Tls
from clients.patience import Backoff
from clients.run import JobClient, JobRefused
from clients.secrets_on_disk import TokenMissing, keep_secret, read_token
from protocol.v1.jobs_pb2_grpc import add_JobsServicer_to_server
from tests.clients.job_peer import RUNNING, TOKEN, Manager

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
    monkeypatch.setattr("clients.run.client.OPENING_PATIENCE", 0.3)
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
    with pytest.raises(TokenMissing):
        read_token(tmp_path / "none", default=default)


def test_a_secret_is_for_its_owner_only(tmp_path: Path) -> None:
    keep_secret(tmp_path / "node.key", "one")
    keep_secret(tmp_path / "node.key", "two")
    assert (tmp_path / "node.key").read_text() == "two\n"
    assert (tmp_path / "node.key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["node.key"]
