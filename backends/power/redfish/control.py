"""One reset of a system over Redfish: sent exactly once, and followed until its task has ended."""

import asyncio
from collections.abc import Awaitable, Callable

from backends.power.driver import PowerCommand
from backends.power.errors import BmcBusy, BmcGarbage, PowerError, Unsupported
from backends.power.redfish.client import RedfishClient
from backends.power.redfish.documents import (
    Json,
    message_ids,
    offered_types,
    parse,
    path_of,
    reset_action,
    reset_type,
    task_ended,
)
from backends.power.redfish.http import Response

CONTROL_WAIT = 5.0  # seconds for the answer and the end of the task; shorter than the parent waits (`drivers.py`)
POLL_PAUSE = 0.3  # seconds between looks at a task


async def reset(client: RedfishClient, command: PowerCommand, may_send: Callable[[], Awaitable[None]]) -> bool:
    """Send the reset type of a command exactly once, in a session that has just answered.

    Returns False unless an answer came that says that it was done. Raises PowerError if it was not sent or refused.
    """
    _, system = await client.system()
    action = reset_action(system)
    offered = offered_types(action, await _info(client, action))
    body = {"ResetType": reset_type(command, offered)}
    connection, request = await client.ready_to_post(path_of(action["target"]), body)
    await may_send()
    unanswered = False
    try:
        async with asyncio.timeout(CONTROL_WAIT):
            response = await connection.ask(request, CONTROL_WAIT)
            if refusal := _refusal(client, response):
                raise refusal
            if response.status != 202:
                return response.status in (200, 201, 204)
            unanswered = command is not PowerCommand.RESET  # it was accepted; readings will show the others
            return await _follow(client, response)
    except TimeoutError:
        return unanswered
    except PowerError as error:
        if error.code in (BmcBusy.code, Unsupported.code):
            raise
        return unanswered


async def clear(client: RedfishClient, path: str) -> None:
    """Send the clearing of a log once; raises PowerError unless an answer says that it was done."""
    connection, request = await client.ready_to_post(path, {})
    async with asyncio.timeout(CONTROL_WAIT):
        response = await connection.ask(request, CONTROL_WAIT)
        if refusal := _refusal(client, response):
            raise refusal
        done = await _follow(client, response) if response.status == 202 else response.status in (200, 201, 204)
    if not done:
        raise BmcGarbage(f"BMC {client.login.address} did not confirm that its log was cleared")


async def _info(client: RedfishClient, action: Json) -> Json | None:
    link = action.get("@Redfish.ActionInfo")
    return None if link is None else await client.get(path_of(link))


def _refusal(client: RedfishClient, response: Response) -> PowerError | None:
    """Return the error that an answer means if the command was certainly not carried out."""
    status, ids = response.status, message_ids(response.body)
    what = f"BMC {client.login.address} refused the command (HTTP status {status}{ids and ': '}{ids})"
    if status in (401, 429, 503):  # 401: the session ended a moment ago
        return BmcBusy(what)
    if 400 <= status < 500 or status == 501:
        return Unsupported(what)
    return None


async def _follow(client: RedfishClient, response: Response) -> bool:
    """Look at the monitor of a task until the task ends, and return whether it succeeded."""
    monitor = path_of(response.headers.get("location") or parse(response.body).get("@odata.id"))
    while True:
        await asyncio.sleep(POLL_PAUSE)
        seen = await client.poll(monitor)
        ended = _ended(seen)
        if ended is not None:
            return ended


def _ended(seen: Response) -> bool | None:
    """Return whether the task of a monitor succeeded, or None while it runs."""
    if seen.status in (202, 429, 503):
        return None
    if seen.status not in (200, 201, 204):
        return False
    if not seen.body:
        return True
    return task_ended(parse(seen.body))
