"""Power: which BMCs may be spoken to, and how patiently."""

from . import env

MOREH_BMC_NETWORKS = env.networks(
    "MOREH_BMC_NETWORKS", "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,127.0.0.0/8,fc00::/7,::1/128"
)
MOREH_BMC_CA = env.path("MOREH_BMC_CA")
MOREH_POWER_DEADLINE = env.seconds("MOREH_POWER_DEADLINE", 15)
MOREH_POWER_LEASE = env.seconds("MOREH_POWER_LEASE", 30)
MOREH_POWER_FRESH = env.seconds("MOREH_POWER_FRESH", 9)
MOREH_BMC_REQUESTS_PER_MINUTE = env.number("MOREH_BMC_REQUESTS_PER_MINUTE", 60, least=2, most=6000)
MOREH_SENSORS_EVERY = env.seconds("MOREH_SENSORS_EVERY", 900, least=0)
MOREH_BMC_LOG_KEPT = env.number("MOREH_BMC_LOG_KEPT", 1000, least=1, most=100_000)
