"""Are the background processes alive, and is the work done that they are for?"""

from backends.queries import has_bmcs
from core.mail_note import mail_note
from core.outages import DATABASE_ERRORS
from liveness.queries import BEAT, NEVER, OUTBOX_WORKER, POWER_WORKER, WORKER, Heartbeat, heartbeats
from moreh_cloud.check.finding import PartFinding, Status
from outbox.queries import count_channels

ALIVE = 20.0  # seconds in which a live process has recorded some heartbeats
FRESH = 30.0  # seconds in which queues have been ticked, by whomever
WORK = ("tick", "sweep", "reconcile", "roll-up")


def check_worker() -> PartFinding:
    """Return whether a worker is alive: degraded while others do its work, error when nobody does."""
    return _helped(WORKER)


def check_beat() -> PartFinding:
    """Return whether beat is alive: degraded while others do its work, error when nobody does."""
    return _helped(BEAT)


def check_power_worker() -> PartFinding:
    """Return whether a power worker is alive, which nobody replaces; degraded when there is no BMC."""
    try:
        seen = heartbeats().get(POWER_WORKER, NEVER)
        status = Status.OK if seen.within(ALIVE) else Status.ERROR if has_bmcs() else Status.DEGRADED
    except DATABASE_ERRORS as error:
        return PartFinding(Status.ERROR, detail=type(error).__name__)
    return PartFinding(status, detail=_words(seen), counts=_ages(age=seen))


def check_outbox() -> PartFinding:
    """Return whether messages leave: degraded when channels fail, error when no worker sends and there are channels."""
    try:
        seen, channels = heartbeats().get(OUTBOX_WORKER, NEVER), count_channels()
    except DATABASE_ERRORS as error:
        return PartFinding(Status.ERROR, detail=type(error).__name__)
    alive = seen.within(ALIVE)
    status = Status.OK if alive and not channels.failing else Status.DEGRADED
    status = Status.ERROR if channels.enabled and not alive else status
    counts = {**_ages(age=seen), "channels": channels.enabled, "failing": channels.failing}
    detail = "; ".join(filter(None, (_words(seen), "no mail server (MOREH_MAIL_URL)" if mail_note() else "")))
    return PartFinding(status, detail=detail, counts=counts)


def check_tick() -> PartFinding:
    """Return when the queues were last ticked: degraded when others than the workers do it, error when nobody does."""
    try:
        known = heartbeats()
    except DATABASE_ERRORS as error:
        return PartFinding(Status.ERROR, detail=type(error).__name__)
    seen = known.get("tick", NEVER)
    status = Status.ERROR if not seen.within(FRESH) else Status.DEGRADED if seen.fallback else Status.OK
    ages = _ages(**{_camel(name): known.get(name, NEVER) for name in WORK})
    return PartFinding(status, detail=_words(seen), counts=ages)


def _helped(process: str) -> PartFinding:
    try:
        known = heartbeats()
    except DATABASE_ERRORS as error:
        return PartFinding(Status.ERROR, detail=type(error).__name__)
    seen, ticked = known.get(process, NEVER), known.get("tick", NEVER).within(FRESH)
    status = Status.OK if seen.within(ALIVE) else Status.DEGRADED if ticked else Status.ERROR
    return PartFinding(status, detail=_words(seen), counts=_ages(age=seen))


def _words(seen: Heartbeat) -> str:
    if seen.age is None:
        return "Never seen."
    return f"Last seen {seen.age:.0f} s ago, by {seen.by}{' without the workers' if seen.fallback else ''}."


def _ages(**seen: Heartbeat) -> dict[str, float]:
    return {name: round(one.age, 1) for name, one in seen.items() if one.age is not None}


def _camel(name: str) -> str:
    first, *rest = name.split("-")
    return "".join([first, *map(str.capitalize, rest), "Age"])
