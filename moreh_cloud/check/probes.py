"""Probes of the health check. Each one does real work: it queries the database, or calls the gRPC health service."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import redis
from django.conf import settings
from django.db import connection

from backends.choices import PowerStatus
from backends.queries import bmc_counts
from core.clock import db_now
from core.outages import DATABASE_ERRORS
from moreh_cloud.check.finding import PartFinding, Status
from moreh_cloud.check.processes import check_beat, check_outbox, check_power_worker, check_tick, check_worker

if TYPE_CHECKING:
    import grpc

GRPC_DEADLINE = 2.0  # seconds
STALE = timedelta(minutes=2)  # the sweep looks at every BMC far more often


def check_api() -> PartFinding:
    """Answer: whoever reads this has reached the API."""
    return PartFinding(Status.OK)


def check_db() -> PartFinding:
    """Query the database."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except DATABASE_ERRORS as error:
        return PartFinding(Status.ERROR, detail=type(error).__name__)
    return PartFinding(Status.OK, detail=connection.vendor)


def check_broker() -> PartFinding:
    """Write to Redis, which may answer and still take nothing; without it everything goes on, more slowly."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            client.set("moreh:check", 1, px=1000)
    except redis.RedisError as error:
        return PartFinding(Status.DEGRADED, detail=type(error).__name__)
    return PartFinding(Status.OK)


def check_grpc() -> PartFinding:
    """Call the gRPC server's health service."""
    import grpc
    from cryptography.x509 import ExtensionNotFound
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    try:
        with _channel() as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=GRPC_DEADLINE)
    except grpc.RpcError as error:
        return PartFinding(Status.ERROR, detail=error.code().name)
    except (OSError, ValueError, LookupError, ExtensionNotFound) as error:  # a certificate that cannot be read
        return PartFinding(Status.ERROR, detail=type(error).__name__)
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return PartFinding(Status.OK if name == "SERVING" else Status.ERROR, detail=name)


def _channel() -> "grpc.Channel":
    import grpc

    target, own = settings.MOREH_GRPC_CHECK_TARGET, settings.MOREH_GRPC_CERT
    if not own:
        return grpc.insecure_channel(target)
    # Exactly this certificate is trusted, so the name in it, which is that of the public address, says nothing more.
    options = [("grpc.ssl_target_name_override", _name_of(own.read_bytes()))]
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(own.read_bytes(), *_client_certificate()), options)


def _client_certificate() -> tuple[bytes | None, bytes | None]:
    """Return key and certificate that are shown where clients need one."""
    key, certificate = settings.MOREH_GRPC_KEY, settings.MOREH_GRPC_CERT
    if settings.MOREH_GRPC_CHECK_CERT:
        key, certificate = settings.MOREH_GRPC_CHECK_KEY, settings.MOREH_GRPC_CHECK_CERT
    if not (settings.MOREH_GRPC_CLIENT_CA and key and certificate):
        return None, None
    return key.read_bytes(), certificate.read_bytes()


def _name_of(pem: bytes) -> str:
    """Return a name, or else an address, that a certificate is for."""
    from cryptography import x509

    names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = [str(name) for kind in (x509.DNSName, x509.IPAddress) for name in names.get_values_for_type(kind)]
    return found[0].replace("*", "check")


def check_ipmi() -> PartFinding:
    """Count what the sweep saw of the BMCs: degraded when some do not answer, error when the driver does not work."""
    try:
        seen = bmc_counts()
        old = seen.latest is not None and db_now() - seen.latest > STALE
    except DATABASE_ERRORS as error:
        return PartFinding(Status.ERROR, detail=type(error).__name__)
    counts = {PowerStatus.ON.value: seen.on, PowerStatus.OFF.value: seen.off, "unreachable": seen.unreachable}
    if seen.driver_lost or old:
        return PartFinding(Status.ERROR, detail="The driver does not work.", counts=counts)
    return PartFinding(Status.DEGRADED if seen.unreachable else Status.OK, counts=counts)


PROBES: Mapping[str, Callable[[], PartFinding]] = {
    "api": check_api,
    "db": check_db,
    "grpc": check_grpc,
    "ipmi": check_ipmi,
    "broker": check_broker,
    "worker": check_worker,
    "powerWorker": check_power_worker,
    "outbox": check_outbox,
    "beat": check_beat,
    "tick": check_tick,
}
IN_THE_DATABASE = ("ipmi", "worker", "powerWorker", "outbox", "beat", "tick")


def run_probes(names: Iterable[str]) -> dict[str, PartFinding]:
    """Return the finding of each named probe; after the database failed, probes that need it are not run."""
    found: dict[str, PartFinding] = {}
    for name in names:
        dark = name in IN_THE_DATABASE and "db" in found and found["db"].status == Status.ERROR
        found[name] = found["db"] if dark else run_probe(name)
    return found


def run_probe(name: str) -> PartFinding:
    """Return the finding of a probe, with how long it took (ms)."""
    begin = time.perf_counter()
    found = PROBES[name]()
    latency = round((time.perf_counter() - begin) * 1000, 3)
    return PartFinding(found.status, latency, found.detail, found.counts)
