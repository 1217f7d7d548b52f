"""How long the scheduler and the sweeps wait for agents, clients and each other."""

from django.core.exceptions import ImproperlyConfigured

from . import env

MOREH_SILENT_AFTER = env.seconds("MOREH_SILENT_AFTER", 30)
MOREH_NODE_LOST_AFTER = env.seconds("MOREH_NODE_LOST_AFTER", 90)
MOREH_PRESENCE_GAP = env.seconds("MOREH_PRESENCE_GAP", 10)
MOREH_CLIENT_GRACE = env.seconds("MOREH_CLIENT_GRACE", 60)
MOREH_PREPARE_TIMEOUT = env.seconds("MOREH_PREPARE_TIMEOUT", 120)
MOREH_CLEAN_TIMEOUT = env.seconds("MOREH_CLEAN_TIMEOUT", 300)
MOREH_FAIR_HALF_LIFE = env.seconds("MOREH_FAIR_HALF_LIFE", 86_400)
MOREH_TICK_LEASE = env.seconds("MOREH_TICK_LEASE", 10)
if MOREH_NODE_LOST_AFTER <= MOREH_SILENT_AFTER:
    raise ImproperlyConfigured("MOREH_NODE_LOST_AFTER must be longer than MOREH_SILENT_AFTER.")
