"""What Redfish's JSON documents say: links, power states, reset types, tasks. Pure."""

import json
from typing import Any
from urllib.parse import urlsplit

from backends.power.driver import PowerCommand, PowerState
from backends.power.errors import BmcGarbage, Unsupported

Json = dict[str, Any]
LONGEST_PATH = 1024
RESET = "#ComputerSystem.Reset"
# The reset types (DSP0268) that carry out a command; the first one that a machine offers is sent.
RESET_TYPES = {
    PowerCommand.ON: ("On", "ForceOn"),
    PowerCommand.OFF: ("ForceOff",),
    PowerCommand.SOFT: ("GracefulShutdown",),
    PowerCommand.RESET: ("ForceRestart",),
}
RUNNING = {"New", "Starting", "Running", "Suspended", "Pending", "Stopping", "Service", "Cancelling"}


def parse(body: bytes) -> Json:
    """Return a JSON object; raises BmcGarbage."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise BmcGarbage("The BMC sent an answer that is no JSON object")
    return document


def object_of(value: object) -> Json:
    """Return a JSON object; an empty one for something else."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """Return a JSON list; an empty one for something else."""
    return value if isinstance(value, list) else []


def path_of(link: object) -> str:
    """Return the path of a link. Its host is not followed: a token is only sent to the BMC that gave it.

    Raises BmcGarbage.
    """
    if isinstance(link, str) and len(link) <= LONGEST_PATH and link.isascii() and link.isprintable():
        try:
            parts = urlsplit(link)
        except ValueError:
            parts = urlsplit("")
        if parts.path.startswith("/") and " " not in link:
            return f"{parts.path}?{parts.query}" if parts.query else parts.path
    raise BmcGarbage("The BMC sent a link that is no path")


def linked(document: object, *names: str) -> str:
    """Return the path that a document links to under nested names; raises BmcGarbage."""
    found: Any = document
    for name in (*names, "@odata.id"):
        found = found.get(name) if isinstance(found, dict) else None
    return path_of(found)


def has_link(document: Json, name: str) -> bool:
    """Whether a document links to something under a name."""
    link = document.get(name)
    return isinstance(link, dict) and "@odata.id" in link


def members(collection: Json) -> list[str]:
    """Return the paths of the members of a collection; raises BmcGarbage."""
    found = collection.get("Members")
    if not isinstance(found, list):
        raise BmcGarbage("The BMC sent a collection without members")
    return [linked(member) if isinstance(member, dict) else path_of(member) for member in found]


def power_state(system: Json) -> PowerState:
    """Return the power state of a system; while it changes, and if it is not known: UNKNOWN."""
    return {"On": PowerState.ON, "Off": PowerState.OFF}.get(str(system.get("PowerState")), PowerState.UNKNOWN)


def reset_action(system: Json) -> Json:
    """Return a system's reset action; raises Unsupported."""
    action = object_of(object_of(system.get("Actions")).get(RESET))
    if "target" not in action:
        raise Unsupported("The BMC offers no way to switch its machine")
    return action


def offered_types(action: Json, info: Json | None) -> list[str] | None:
    """Return the reset types that an action, or the info of it, offers; None if neither says so."""
    offered = action.get("ResetType@Redfish.AllowableValues")
    for parameter in list_of((info or {}).get("Parameters")):
        if isinstance(parameter, dict) and parameter.get("Name") == "ResetType":
            offered = offered or parameter.get("AllowableValues")
    return [word for word in offered if isinstance(word, str)] if isinstance(offered, list) else None


def reset_type(command: PowerCommand, offered: list[str] | None) -> str:
    """Return the reset type to send for a command; raises Unsupported if the machine does not offer it."""
    wanted = RESET_TYPES[command]
    for word in wanted:
        if offered is None or word in offered:
            return word
    raise Unsupported(f"The machine does not offer {' or '.join(wanted)} for {command}; it offers {_listed(offered)}")


def _listed(words: list[str] | None) -> str:
    known = [word for word in words or () if word.isascii() and word.isalnum() and len(word) <= 32]
    return ", ".join(sorted(known)[:16]) or "nothing"


def task_ended(task: Json) -> bool | None:
    """Return whether a task succeeded, or None while it runs. What is not known to have succeeded has not."""
    state = task.get("TaskState")
    if isinstance(state, str) and state in RUNNING:
        return None
    return state in (None, "Completed") and task.get("TaskStatus") in (None, "OK", "Warning")


def message_ids(body: bytes) -> str:
    """Return the ids of the messages of an error answer, for people: at most a few, and no text of the BMC."""
    try:
        error = object_of(parse(body).get("error"))
    except BmcGarbage:
        return ""
    found = [object_of(info).get("MessageId") for info in list_of(error.get("@Message.ExtendedInfo"))]
    ids = [word for word in (*found, error.get("code")) if isinstance(word, str)]
    return ", ".join([word for word in ids if word.replace(".", "").isalnum() and len(word) <= 80][:3])
