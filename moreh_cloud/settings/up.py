"""Settings of `make up`: the address of the web, and the simulated fleet."""

from . import env

MOREH_HTTP_HOST = env.host("MOREH_HTTP_HOST", "127.0.0.1")
MOREH_HTTP_PORT = env.port("MOREH_HTTP_PORT", 8000)
MOREH_DEMO_NODES = env.number("MOREH_DEMO_NODES", 16, most=500)
MOREH_DEMO_JOBS = env.number("MOREH_DEMO_JOBS", 30, most=6000)
MOREH_DEMO_FAULTS = env.number("MOREH_DEMO_FAULTS", 0, most=6000)
