"""The outbox: where messages may go, how patiently they are sent, and how long they are kept."""

from datetime import timedelta

from . import env

MOREH_OUTBOX_NETWORKS = env.networks("MOREH_OUTBOX_NETWORKS")
MOREH_OUTBOX_HTTP = env.flag("MOREH_OUTBOX_HTTP", default=False)
MOREH_OUTBOX_CA = env.path("MOREH_OUTBOX_CA")
MOREH_OUTBOX_TIMEOUT = env.seconds("MOREH_OUTBOX_TIMEOUT", 10)
MOREH_OUTBOX_AT_ONCE = env.number("MOREH_OUTBOX_AT_ONCE", 8, least=1, most=64)
MOREH_OUTBOX_RETRY_FIRST = env.seconds("MOREH_OUTBOX_RETRY_FIRST", 5)
MOREH_OUTBOX_RETRY_MOST = env.seconds("MOREH_OUTBOX_RETRY_MOST", 3600)
MOREH_OUTBOX_GIVE_UP = env.seconds("MOREH_OUTBOX_GIVE_UP", 86_400)
MOREH_OUTBOX_REPORT_AFTER = env.seconds("MOREH_OUTBOX_REPORT_AFTER", 300, least=0)
MOREH_OUTBOX_KEPT = timedelta(days=env.number("MOREH_OUTBOX_KEPT", 30, least=1, most=3650))
