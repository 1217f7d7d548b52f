"""Power: which BMCs may be spoken to, and how patiently."""

from . import env

MOREH_BMC_NETWORKS = env.networks(
    "MOREH_BMC_NETWORKS", "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,127.0.0.0/8,fc00::/7,::1/128"
)
MOREH_POWER_PAUSE = env.seconds("MOREH_POWER_PAUSE", 5)
MOREH_POWER_DEADLINE = env.seconds("MOREH_POWER_DEADLINE", 15)
MOREH_POWER_SETTLE = env.seconds("MOREH_POWER_SETTLE", 120)
MOREH_POWER_LEASE = env.seconds("MOREH_POWER_LEASE", 30)
MOREH_POWER_LOGIN_LIMIT = env.number("MOREH_POWER_LOGIN_LIMIT", 3, least=1)
MOREH_POWER_LOGIN_WINDOW = env.seconds("MOREH_POWER_LOGIN_WINDOW", 300)
