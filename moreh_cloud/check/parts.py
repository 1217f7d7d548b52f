"""Is it well? Each part is really asked: the database queries, the gRPC server's health service is called."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import redis
from django.conf import settings
from django.db import DatabaseError, connection

from backends.choices import PowerStatus
from backends.queries import bmc_counts
from moreh_cloud.lib.clock import db_now

if TYPE_CHECKING:
    import grpc

GRPC_DEADLINE = 2.0  # seconds
STALE = timedelta(minutes=2)  # the sweep looks at every BMC far more often


class Status(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """How a part is, after how long that was known (ms), and more for staff."""

    status: Status
    latency: float = 0.0
    detail: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


def check_api() -> Finding:
    """Answer: whoever reads this has reached the API."""
    return Finding(Status.OK)


def check_db() -> Finding:
    """Query the database."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except DatabaseError as error:
        return Finding(Status.ERROR, detail=type(error).__name__)
    return Finding(Status.OK, detail=connection.vendor)


def check_broker() -> Finding:
    """Ping Redis; without it everything goes on, more slowly."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            client.ping()
    except redis.RedisError as error:
        return Finding(Status.DEGRADED, detail=type(error).__name__)
    return Finding(Status.OK)


def check_grpc() -> Finding:
    """Call the gRPC server's health service."""
    import grpc
    from cryptography.x509 import ExtensionNotFound
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    try:
        with _channel() as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=GRPC_DEADLINE)
    except grpc.RpcError as error:
        return Finding(Status.ERROR, detail=error.code().name)
    except (OSError, ValueError, LookupError, ExtensionNotFound) as error:  # a certificate that cannot be read
        return Finding(Status.ERROR, detail=type(error).__name__)
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return Finding(Status.OK if name == "SERVING" else Status.ERROR, detail=name)


def _channel() -> "grpc.Channel":
    import grpc

    target, own = settings.MOREH_GRPC_CHECK_TARGET, settings.MOREH_GRPC_CERT
    if not own:
        return grpc.insecure_channel(target)
    # Exactly this certificate is trusted, so the name in it, which is that of the public address, says nothing more.
    options = [("grpc.ssl_target_name_override", _name_of(own.read_bytes()))]
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(own.read_bytes(), *_shown()), options)


def _shown() -> tuple[bytes | None, bytes | None]:
    """Give key and certificate that are shown where clients need one."""
    key, certificate = settings.MOREH_GRPC_KEY, settings.MOREH_GRPC_CERT
    if settings.MOREH_GRPC_CHECK_CERT:
        key, certificate = settings.MOREH_GRPC_CHECK_KEY, settings.MOREH_GRPC_CHECK_CERT
    if not (settings.MOREH_GRPC_CLIENT_CA and key and certificate):
        return None, None
    return key.read_bytes(), certificate.read_bytes()


def _name_of(pem: bytes) -> str:
    """Give a name, or else an address, that a certificate is for."""
    from cryptography import x509

    names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = [str(name) for kind in (x509.DNSName, x509.IPAddress) for name in names.get_values_for_type(kind)]
    return found[0].replace("*", "check")


def check_ipmi() -> Finding:
    """Count what the sweep saw of the BMCs: degraded when some do not answer, error when the driver does not work."""
    try:
        seen = bmc_counts()
        old = seen.latest is not None and db_now() - seen.latest > STALE
    except DatabaseError as error:
        return Finding(Status.ERROR, detail=type(error).__name__)
    counts = {PowerStatus.ON.value: seen.on, PowerStatus.OFF.value: seen.off, "unreachable": seen.unreachable}
    if seen.driver_lost or old:
        return Finding(Status.ERROR, detail="The driver does not work.", counts=counts)
    return Finding(Status.DEGRADED if seen.unreachable else Status.OK, counts=counts)


PARTS: Mapping[str, Callable[[], Finding]] = {
    "api": check_api,
    "db": check_db,
    "grpc": check_grpc,
    "ipmi": check_ipmi,
    "broker": check_broker,
}


def look_at(parts: Iterable[str]) -> dict[str, Finding]:
    """Ask these parts, each once; what lives in a database that does not answer is not waited for again."""
    found: dict[str, Finding] = {}
    for part in parts:
        dark = part == "ipmi" and "db" in found and found["db"].status == Status.ERROR
        found[part] = found["db"] if dark else look(part)
    return found


def look(part: str) -> Finding:
    """Ask one part and measure how long it takes."""
    begin = time.perf_counter()
    found = PARTS[part]()
    latency = round((time.perf_counter() - begin) * 1000, 3)
    return Finding(found.status, latency, found.detail, found.counts)
