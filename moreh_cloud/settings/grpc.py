"""The gRPC server: where it listens, its certificates and its limits."""

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from . import env

MOREH_GRPC_HOST = env.host("MOREH_GRPC_HOST", "127.0.0.1")
MOREH_GRPC_PORT = env.port("MOREH_GRPC_PORT", 50_052)
_reached = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(MOREH_GRPC_HOST, MOREH_GRPC_HOST)  # noqa: S104
MOREH_GRPC_CHECK_TARGET = env.address("MOREH_GRPC_CHECK_TARGET", f"{_reached}:{MOREH_GRPC_PORT}")
MOREH_GRPC_CERT: Path | None = env.path("MOREH_GRPC_CERT")
MOREH_GRPC_KEY: Path | None = env.path("MOREH_GRPC_KEY")
MOREH_GRPC_CLIENT_CA: Path | None = env.path("MOREH_GRPC_CLIENT_CA")
if (MOREH_GRPC_CERT is None) != (MOREH_GRPC_KEY is None):
    raise ImproperlyConfigured("MOREH_GRPC_CERT and MOREH_GRPC_KEY must be given together.")
if MOREH_GRPC_CLIENT_CA and not MOREH_GRPC_CERT:
    raise ImproperlyConfigured("MOREH_GRPC_CLIENT_CA needs MOREH_GRPC_CERT and MOREH_GRPC_KEY.")
# What /api/check shows where clients need certificates; the server's own, unless another authority issues those.
MOREH_GRPC_CHECK_CERT: Path | None = env.path("MOREH_GRPC_CHECK_CERT")
MOREH_GRPC_CHECK_KEY: Path | None = env.path("MOREH_GRPC_CHECK_KEY")
if (MOREH_GRPC_CHECK_CERT is None) != (MOREH_GRPC_CHECK_KEY is None):
    raise ImproperlyConfigured("MOREH_GRPC_CHECK_CERT and MOREH_GRPC_CHECK_KEY must be given together.")
MOREH_GRPC_MAX_MESSAGE = env.number("MOREH_GRPC_MAX_MESSAGE", 1_048_576, least=65_536)
MOREH_GRPC_POLL = env.seconds("MOREH_GRPC_POLL", 2)
MOREH_GRPC_CALL_RATE = env.number("MOREH_GRPC_CALL_RATE", 20)
MOREH_GRPC_JOB_RATE = env.number("MOREH_GRPC_JOB_RATE", 20)
MOREH_GRPC_STRANGER_RATE = env.number("MOREH_GRPC_STRANGER_RATE", 10)
