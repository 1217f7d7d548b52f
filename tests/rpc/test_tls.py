"""TLS and mutual TLS by configuration."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from moreh_cloud.check.finding import PartFinding, Status
from moreh_cloud.check.probes import check_grpc
from tests.rpc.certificates import Authority, written
from tests.rpc.servers import Server, server

OURS, STRANGERS = Authority("ours"), Authority("strangers")


@pytest.fixture
def tls(settings: Any, tmp_path: Path) -> None:
    key, certificate = OURS.issue("server")
    settings.MOREH_GRPC_KEY = written(tmp_path, "key.pem", key)
    settings.MOREH_GRPC_CERT = written(tmp_path, "certificate.pem", certificate)


@pytest.fixture
def mutual_tls(tls: None, settings: Any, tmp_path: Path) -> None:
    settings.MOREH_GRPC_CLIENT_CA = written(tmp_path, "ca.pem", OURS.pem)


def _works(to: Server, credentials: grpc.ChannelCredentials | None) -> bool:
    """Whether a call comes through."""
    channel = grpc.secure_channel(to.address, credentials) if credentials else grpc.insecure_channel(to.address)
    with channel:
        try:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=3)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False
        return True


def test_with_a_certificate_only_tls_comes_through(tls: None, transactional_db: None) -> None:
    with server() as running:
        assert _works(running, grpc.ssl_channel_credentials(OURS.pem))
        assert not _works(running, grpc.ssl_channel_credentials(STRANGERS.pem))
        assert not _works(running, None)


def test_with_a_client_ca_only_its_clients_come_through(mutual_tls: None, transactional_db: None) -> None:
    callers = {
        "with our certificate": (OURS.issue("vm"), True),
        "with a stranger's": (STRANGERS.issue("vm"), False),
        "with none": ((None, None), False),
    }
    with server() as running:
        for who, ((key, certificate), expected) in callers.items():
            assert _works(running, grpc.ssl_channel_credentials(OURS.pem, key, certificate)) is expected, who


def test_the_check_calls_the_server_by_its_certificate(tls: None, settings: Any, transactional_db: None) -> None:
    with server() as running:
        settings.MOREH_GRPC_CHECK_TARGET = running.address
        assert check_grpc() == PartFinding(Status.OK, detail="SERVING")


def test_the_check_presents_its_certificate_where_that_is_required(
    mutual_tls: None, settings: Any, transactional_db: None
) -> None:
    with server() as running:
        settings.MOREH_GRPC_CHECK_TARGET = running.address
        assert check_grpc() == PartFinding(Status.OK, detail="SERVING")


def test_the_check_knows_an_impostor(tls: None, settings: Any, tmp_path: Path, transactional_db: None) -> None:
    with server() as running:
        settings.MOREH_GRPC_CHECK_TARGET = running.address
        _key, certificate = STRANGERS.issue("server")
        settings.MOREH_GRPC_CERT = written(tmp_path, "other.pem", certificate)
        assert check_grpc() == PartFinding(Status.ERROR, detail="UNAVAILABLE")


@pytest.mark.parametrize("public", ["grpc.cloud.example", "*.cloud.example"])
def test_the_check_reaches_a_server_whose_certificate_is_for_a_public_name(
    public: str, settings: Any, tmp_path: Path, transactional_db: None
) -> None:
    key, certificate = OURS.issue("server", public=public)
    settings.MOREH_GRPC_KEY = written(tmp_path, "key.pem", key)
    settings.MOREH_GRPC_CERT = written(tmp_path, "certificate.pem", certificate)
    with server() as running:
        settings.MOREH_GRPC_CHECK_TARGET = running.address
        assert check_grpc() == PartFinding(Status.OK, detail="SERVING")


def test_the_check_has_a_certificate_of_its_own_where_others_issue_those_of_clients(
    tls: None, settings: Any, tmp_path: Path, transactional_db: None
) -> None:
    settings.MOREH_GRPC_CLIENT_CA = written(tmp_path, "ca.pem", STRANGERS.pem)
    key, certificate = STRANGERS.issue("check")
    with server() as running:
        settings.MOREH_GRPC_CHECK_TARGET = running.address
        assert check_grpc() == PartFinding(Status.ERROR, detail="UNAVAILABLE")
        settings.MOREH_GRPC_CHECK_KEY = written(tmp_path, "check-key.pem", key)
        settings.MOREH_GRPC_CHECK_CERT = written(tmp_path, "check.pem", certificate)
        assert check_grpc() == PartFinding(Status.OK, detail="SERVING")


@pytest.mark.parametrize("content", [b"", b"garbage"])
def test_a_certificate_that_cannot_be_read_is_an_error(
    content: bytes, tls: None, settings: Any, tmp_path: Path
) -> None:
    settings.MOREH_GRPC_CERT = written(tmp_path, "broken.pem", content)
    assert check_grpc() == PartFinding(Status.ERROR, detail="ValueError")
