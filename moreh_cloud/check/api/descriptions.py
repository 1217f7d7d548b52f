"""Descriptions of the probes' fields in REST."""

from core.api.description.words import describe

describe(
    words={
        "age": ("How long ago one of them gave a sign of life.", 2.4),
        "api": ("The web server itself.", None),
        "beat": ("The process that asks for periodic work.", None),
        "broker": ("The message broker.", None),
        "db": ("The database.", None),
        "grpc": ("The gRPC server.", None),
        "Check.ipmi": ("The BMCs.", None),
        "off": ("How many are off.", 2),
        "on": ("How many are on.", 30),
        "channels": ("How many channels are on.", 2),
        "failing": ("How many of them do not accept messages.", 0),
        "outbox": ("The processes that send messages to channels.", None),
        "powerWorker": ("The processes that speak with BMCs.", None),
        "reconcileAge": ("How long ago records were last compared.", 31.0),
        "rollUpAge": ("How long ago usage was last rolled up.", 42.0),
        "sweepAge": ("How long ago somebody last looked for what is silent or stuck.", 3.1),
        "tick": ("Whether queues are planned, and other periodic work is done.", None),
        "tickAge": ("How long ago the queues were last planned.", 1.2),
        "check_list.type": ("The parts; all when absent.", ["api", "db"]),
        "unreachable": ("How many do not answer.", 0),
        "worker": ("The processes that do the work in the background.", None),
    },
    tags={
        "check": "How the parts of the product are.",
    },
)
