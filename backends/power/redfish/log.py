"""The event log of a system over Redfish: found by its links, read page by page, oldest entry first."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from backends.power.errors import Unsupported
from backends.power.monitoring import (
    LOG_PORTION,
    MESSAGE_LENGTH,
    NAME_LENGTH,
    LogEntry,
    LogMark,
    LogPortion,
    SensorState,
    printable,
)
from backends.power.redfish.documents import Json, has_link, linked, list_of, members, object_of
from backends.power.redfish.sensors import READ_FOR, STATES, Get, pages

FIRST_YEAR = 2000  # an earlier time is of a clock that was not set
KINDS = ("SEL", "Event")  # the wanted log, by the kind of its entries; else the first one
MOST_SERVICES = 16
CLEAR = "#LogService.ClearLog"


async def find_log(get: Get, system: Json) -> Json:
    """Return the log service of a system, or of the manager of it. Raises Unsupported, PowerError."""
    services = await _services(get, system)
    for manager in members({"Members": list_of(object_of(system.get("Links")).get("ManagedBy"))})[:1]:
        services = services or await _services(get, await get(manager))
    if not services:
        raise Unsupported("The BMC has no event log")
    for kind in KINDS:
        for service in services:
            if service.get("LogEntryType") == kind or str(service.get("Id")).upper() == kind.upper():
                return service
    return services[0]


async def _services(get: Get, owner: Json) -> list[Json]:
    if not has_link(owner, "LogServices"):
        return []
    paths = members(await get(linked(owner, "LogServices")))[:MOST_SERVICES]
    found = [await get(path) for path in paths]
    return [service for service in found if has_link(service, "Entries")]


async def read_log(get: Get, service: Json, after: LogMark | None) -> LogPortion:
    """Return the entries that follow `after`, or the first ones if the log does not have it.

    Reading ends with what was read in READ_FOR seconds; of a log that begins with its newest entry, the oldest ones
    are then left out.
    """
    until = asyncio.get_running_loop().time() + READ_FOR
    entries: list[LogEntry] = []
    unread = False
    async for page in pages(get, linked(service, "Entries")):
        entries += await _entries(get, page, until)
        unread = "Members@odata.nextLink" in page
        known = _newest_first(entries) and any(entry.mark == after for entry in entries)
        if known or asyncio.get_running_loop().time() > until:
            break
    if _newest_first(entries):
        return _portion(entries[::-1], after, unread=False)
    return _portion(entries, after, unread=unread)


async def _entries(get: Get, page: Json, until: float) -> list[LogEntry]:
    """Return the entries of a page, which may only link to them."""
    found = []
    for member in list_of(page.get("Members")):
        if isinstance(member, dict) and "Id" in member:
            found.append(entry_of(member))
        elif asyncio.get_running_loop().time() < until:
            found.append(entry_of(await get(linked(member))))
    return found


def _portion(entries: list[LogEntry], after: LogMark | None, *, unread: bool) -> LogPortion:
    place = next((number for number, entry in enumerate(entries, 1) if entry.mark == after), 0)
    rest = entries[place:]
    return LogPortion(tuple(rest[:LOG_PORTION]), unread or len(rest) > LOG_PORTION)


def _newest_first(entries: list[LogEntry]) -> bool:
    """Whether a log begins with its newest entry: by the times, or by the numbers if the times are the same."""
    if len(entries) < 2:
        return False
    first, last = entries[0], entries[-1]
    if first.time is not None and last.time is not None and first.time != last.time:
        return first.time > last.time
    return _number(first) > _number(last) >= 0


def _number(entry: LogEntry) -> int:
    """Return the record id of an entry if that is a number, else -1."""
    return int(entry.record) if entry.record.isascii() and entry.record.isdigit() else -1


def entry_of(entry: Json) -> LogEntry:
    """Return an entry of a log as the product knows it."""
    return LogEntry(
        record=printable(str(entry.get("Id")), NAME_LENGTH),
        time=_time(entry.get("Created")),
        sensor=printable(str(entry.get("SensorType") or ""), NAME_LENGTH),
        severity=STATES.get(str(entry.get("Severity")), SensorState.UNKNOWN),
        message=printable(str(entry.get("Message") or entry.get("Name") or ""), MESSAGE_LENGTH),
    )


def _time(text: Any) -> int | None:
    """Return a time of ISO 8601 in ms since 1970; without a zone it is UTC."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return round(at.timestamp() * 1000) if at.year >= FIRST_YEAR else None


def clear_action(service: Json) -> Any:
    """Return the link of a log's action to clear it; raises Unsupported."""
    action = object_of(object_of(service.get("Actions")).get(CLEAR))
    if "target" not in action:
        raise Unsupported("The BMC offers no way to clear its event log")
    return action["target"]
