"""The JSON documents of a simulated BMC (DSP0266, DSP0268)."""

from typing import Any

from backends.power.driver import PowerCommand, PowerState

Json = dict[str, Any]
V1 = "/redfish/v1"
SYSTEMS, SYSTEM = f"{V1}/Systems", f"{V1}/Systems/1"
RESET, RESET_INFO = f"{SYSTEM}/Actions/ComputerSystem.Reset", f"{SYSTEM}/ResetActionInfo"
SESSION_SERVICE, SESSIONS = f"{V1}/SessionService", f"{V1}/SessionService/Sessions"
MONITORS = f"{V1}/TaskService/TaskMonitors"
RESET_TYPES = {
    "On": PowerCommand.ON,
    "ForceOn": PowerCommand.ON,
    "ForceOff": PowerCommand.OFF,
    "GracefulShutdown": PowerCommand.SOFT,
    "ForceRestart": PowerCommand.RESET,
    "PowerCycle": PowerCommand.CYCLE,
}


def link(path: str) -> Json:
    """Return a link."""
    return {"@odata.id": path}


def resource(path: str, kind: str, name: str, **fields: Any) -> Json:
    """Return a resource."""
    return {"@odata.id": path, "@odata.type": kind, "Id": path.rsplit("/", 1)[-1], "Name": name, **fields}


def collection(path: str, kind: str, members: list[str]) -> Json:
    """Return a collection."""
    kind = f"#{kind}Collection.{kind}Collection"
    listed = [link(member) for member in members]
    return resource(path, kind, "Collection", Members=listed, **{"Members@odata.count": len(listed)})


def root() -> Json:
    """Return the root of the service."""
    return resource(
        f"{V1}/",
        "#ServiceRoot.v1_5_0.ServiceRoot",
        "Simulated BMC",
        RedfishVersion="1.6.0",
        UUID="7c1b6f2e-0000-4000-8000-000000000000",
        Systems=link(SYSTEMS),
        SessionService=link(SESSION_SERVICE),
        Links={"Sessions": link(SESSIONS)},
    )


def session_service() -> Json:
    """Return the service of sessions."""
    kind = "#SessionService.v1_1_8.SessionService"
    return resource(SESSION_SERVICE, kind, "Sessions", ServiceEnabled=True, Sessions=link(SESSIONS))


def session(path: str, user: str) -> Json:
    """Return a session."""
    return resource(path, "#Session.v1_3_0.Session", "Session", UserName=user)


def system(state: PowerState, offered: list[str], *, action_info: bool) -> Json:
    """Return the system with the reset types that it offers, in the action or in its info."""
    action: Json = {"target": RESET}
    action |= {"@Redfish.ActionInfo": RESET_INFO} if action_info else {"ResetType@Redfish.AllowableValues": offered}
    return resource(
        SYSTEM,
        "#ComputerSystem.v1_13_0.ComputerSystem",
        "System",
        SystemType="Physical",
        PowerState="On" if state is PowerState.ON else "Off",
        Status={"State": "Enabled", "Health": "OK"},
        Actions={"#ComputerSystem.Reset": action},
        LogServices=link(f"{SYSTEM}/LogServices"),
        Links={"Chassis": [link(f"{V1}/Chassis/1")]},
    )


def reset_info(offered: list[str]) -> Json:
    """Return the info of the reset action."""
    parameter = {"Name": "ResetType", "Required": True, "DataType": "String", "AllowableValues": offered}
    return resource(RESET_INFO, "#ActionInfo.v1_1_2.ActionInfo", "Reset", Parameters=[parameter])


def task(path: str, state: str) -> Json:
    """Return a task."""
    status = "Critical" if state == "Exception" else "OK"
    return resource(path, "#Task.v1_4_3.Task", "Reset", TaskState=state, TaskStatus=status)


def error(message: str) -> Json:
    """Return an error with the id of its message."""
    info = [{"MessageId": f"Base.1.8.{message}", "Message": message}]
    return {"error": {"code": f"Base.1.8.{message}", "message": message, "@Message.ExtendedInfo": info}}
