"""What both ends of a connection must agree on beside the messages."""

from collections.abc import Sequence

PACKAGE = "moreh.sdamanager.v1"
DEFAULT_PORT = 50052
ERROR_DOMAIN = "moreh.cloud"  # of google.rpc.ErrorInfo; its reason is the `code` that REST shows
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
MAX_ID = 2**63 - 1
MAX_DEVICES = 32  # of a node
MAX_LOG_PIECE = 32 * 1024  # bytes of a worker's output in one message: reports wait for at most one such message
MAX_TIME_LIMIT_S = 3650 * 24 * 60 * 60  # of a job

Options = Sequence[tuple[str, int | str]]

LIMITS: Options = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
)
# A half-open connection is noticed within 30 s by whichever side is left. Keepalive also sets TCP_USER_TIMEOUT.
KEEPALIVE: Options = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)
# A pool of its own gives each client a connection of its own: many in one process do not share one fate.
CLIENT_OPTIONS: Options = (*LIMITS, *KEEPALIVE, ("grpc.use_local_subchannel_pool", 1))
# Without the first of these a server answers our keepalive with GOAWAY too_many_pings.
SERVER_OPTIONS: Options = (
    *LIMITS,
    *KEEPALIVE,
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 0),
)
