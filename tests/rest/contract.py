"""What portals already speak: every address with its parameters, every object with its fields. Only to be added to.

A star marks what is required; `a|b` is one parameter under two names, of which one is required.
"""

from collections.abc import Mapping

PARAMETERS: Mapping[str, str] = {
    "GET /api/check": "type",
    "GET backend": "id, name, status, group, expand",
    "POST backend": (
        "node*, label*, group*, workerip*, type, port, devices, deviceModel, user, pwd, bmcPort, bmcDriver, "
        "bmcCertificate, description"
    ),
    "PUT backend": (
        "command*, id|node, label, workerip, port, bmcPort, bmcDriver, bmcCertificate, description, status, user, pwd, "
        "wait"
    ),
    "DELETE backend": "id*, force",
    "GET backend/group": "id",
    "POST backend/group": "label|group, description, combine, backends",
    "PUT backend/group": "id*, label, description, index, combine, backends",
    "DELETE backend/group": "id*, force",
    "PUT backend/device/status": "id*, status*, device, force",
    "POST backend/grouping": "group*, backend*",
    "PUT backend/grouping": "group*, backend*",
    "DELETE backend/grouping": "group*, backend*",
    "GET sdamodel": "token",
    "POST sdamodel": "name*, numDevices*, desc",
    "DELETE sdamodel": "sdamodel*",
    "POST sdamodel/grouping": "sdamodel*, group*",
    "DELETE sdamodel/grouping": "sdamodel*, group*",
    "GET sdamodel/group": "id",
    "POST sdamodel/group": "label*, groupId, description, sdamodels",
    "PUT sdamodel/group": "id*, label, groupId, description, index, sdamodels",
    "DELETE sdamodel/group": "id*, sdaid, force",
    "GET sda": "token",
    "POST sda": "model*, token*, desc*, reserved*, group",
    "PUT sda": "token*, model*, sdaId, group",
    "DELETE sda": "token*, sdaId, force",
    "GET sda/utilizations": "token",
    "GET token": "token, maxDuplicates, group",
    "POST token": "desc*, priority, maxDuplicates, maxSdaCount, accessLevel, env",
    "PUT token": "token*, desc, priority, maxSdaCount, maxDuplicates, targetSdaId, accessLevel, env",
    "DELETE token": "token*",
    "POST token/grouping": "group*, token, tokenId",
    "DELETE token/grouping": "group*, token, tokenId",
    "GET token/group": "id",
    "POST token/group": "label*, description, tokens",
    "PUT token/group": "id*, label, description, index, tokens",
    "DELETE token/group": "id*, force",
    "GET scheduler/queue": "status, id, token",
    "PUT scheduler/queue": "id*, priority*, expectedPriority",
    "DELETE scheduler/queue": "id*, isWeb, expectedStatus",
    "GET scheduler/history": (
        "starttimeFrom, starttimeTo, endtimeFrom, endtimeTo, status, token, id, offset, limit, after"
    ),
    "GET membership": "group",
    "POST membership": "parentId*, childId*",
    "DELETE membership": "parentId*, childId*",
    "GET usage": "starttime*, endtime*, token, group_by, interval",
    "GET log/sdamanager/event": "token, action, from, to, limit, offset, after",
}
PLAIN_GROUP = "id: integer, name: string, description: string, index: integer, combine: boolean"
GROUP_FIELDS = f"{PLAIN_GROUP}, tokenlist: array"
TIMES = (
    "average: number, device_seconds: number, preparing_seconds: number, processing_seconds: number, "
    "reserved_seconds: number"
)
USE = "token: string, min: integer, max: integer, average: number"
# component of the schema: its fields and their types; `?`: null where there is none
OBJECTS: Mapping[str, str] = {
    "Backend": (
        "id: integer, type: string, ip: string, port: string, name: string, description: string, status: string, "
        "lastSeen: string?, agentVersion: string, devices: array, group: object, ipmi: object"
    ),
    "Ipmi": "ip: string, status: integer, target: integer?, checkedAt: string?",
    "Device": (
        "id: integer, index: integer, name: string, backendId: string, status: string, model: string, "
        "totalMemory: integer, usedMemory: integer?, temperature: number?, memoryTemperature: number?, "
        "utilization: number?, memoryUtilization: number?, power: number?, jobId: integer?, sdaId: integer?, "
        "token: string?, processName: string?"
    ),
    "GroupOfBackend": GROUP_FIELDS,
    "BackendGroup": f"{GROUP_FIELDS}, backends: array",
    "NamedBackend": "id: integer, name: string",
    "TokenGroup": GROUP_FIELDS,
    "SDAModelGroup": f"{GROUP_FIELDS}, backendGroup: object, sdamodels: array",
    "NamedBackendGroup": "id: integer, name: string",
    "NamedModel": "id: integer, name: string, numDevices: integer",
    "Membership": f"{GROUP_FIELDS}, sdamodelgroups: array",
    "SDAModel": (
        "id: integer, name: string, numDevices: integer, description: string, open: boolean, groups: array, "
        "group: object?"
    ),
    "Token": (
        "value: string, description: string, priority: integer, maxSdaCount: integer, maxDuplicates: integer, "
        "targetSdaId: integer?, accessLevel: string, env: object, grouplist: array"
    ),
    "SDA": (
        "id: integer, modelId: integer, sdamodelName: string, groupId: integer?, token: object, reserved: boolean, "
        "current: boolean, numDevices: integer, description: string, backends: array"
    ),
    "JobInfo": (
        "id: integer, token: object, sdaId: integer, priority: integer, status: string, reason: string, "
        "clientPid: integer, processName: string, framework: string, version: string, requestTime: string, "
        "startTime: string?, endTime: string?, referer: object, deviceCount: integer, deviceInfo: string, "
        "queuePosition: integer?, pendingReason: string?, estimatedStart: string?"
    ),
    "Referer": "protocol: string, ipAddress: string",
    "History": "jobs: array, totalCount: integer",
    "Event": (
        "id: integer, token: object?, action: string, request: string, response: string, eventTime: string, "
        "referer: object, actor: string"
    ),
    "JobUse": "id: integer, pid: integer, ptype: string, processName: string, sdautils: array",
    "SdaUse": (
        "totalMemory: integer, usedMemory: integer?, temperature: number?, gpuPower: number?, utilization: number?, "
        "sda: object"
    ),
    "Usage": "code: string, total_usage: object, usage_list: array, groups: array, intervals: array",
    "GroupUse": f"id: integer?, name: string, {TIMES}",
    "IntervalUse": f"start: string, end: string, average_percentage: number, groups: array, {TIMES}",
    "TotalUse": (
        f"{USE}, min_percentage: number, max_percentage: number, average_percentage: number, total_devices: integer"
    ),
    "Use": f"{USE}, device_seconds: number",
    "PowerAction": "id: integer, command: string, state: string",
    "DeviceVerdict": "index: integer, result: string",
    "Access": "access: string, expiresAt: string",
    "Failure": "code: string, message: string, details: object",
}
WORDS: Mapping[str, str] = {
    "BackendStatus": "ACTIVE SHUTDOWN",
    "DeviceStatus": "SHUTDOWN IDLE PREPARING PROCESSING CLEANING BUSY",
    "SettableStatus": "SHUTDOWN IDLE BUSY",
    "JobStatus": "Waiting Submitted Running Completed Canceled Failed",
    "AccessLevelEnum": "USER ADMIN DEVELOPER",
    "CommandEnum": "update reconnect on off cycle reset soft status read clear_log cancel",
    "PartStatus": "ok degraded error",
}
CODES: Mapping[int, str] = {
    400: "INVALID_PARAMETER",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN MODEL_NOT_ALLOWED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT DUPLICATE SDA_IN_USE TOKEN_HAS_SDA GROUP_NOT_EMPTY GROUP_IN_USE MODEL_IN_USE DEVICE_IN_USE "
    "BACKEND_IN_USE MAX_SDA_REACHED NOT_ENOUGH_DEVICES JOB_NOT_WAITING JOB_FINISHED DEFAULT_GROUP ACTION_UNDER_WAY "
    "OVER_LIMIT GROUP_DRAINING BUDGET_SPENT SECRET_UNREADABLE FIELD_IN_USE",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "KEY_REUSED",
    429: "THROTTLED",
    500: "INTERNAL_ERROR",
    502: "IPMI_ERROR PROMETHEUS_ERROR",
    503: "GRPC_ERROR DATABASE_ERROR BROKER_ERROR",
}
