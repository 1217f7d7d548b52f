"""Power: which BMCs may be spoken to, and how patiently."""

from . import env

MOREH_BMC_NETWORKS = env.networks(
    "MOREH_BMC_NETWORKS", "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,127.0.0.0/8,fc00::/7,::1/128"
)
MOREH_POWER_DEADLINE = env.seconds("MOREH_POWER_DEADLINE", 15)
MOREH_POWER_LEASE = env.seconds("MOREH_POWER_LEASE", 30)
MOREH_POWER_FRESH = env.seconds("MOREH_POWER_FRESH", 9)
