"""Descriptions of the fields, parameters and errors of jobs in REST."""

from core.api.description.words import AT, describe

DEVICES = '{"device_info": [{"host": "gpu-01", "devices": [0, 1, 2, 3]}]}'

describe(
    words={
        "change": ("What would change.", "priority"),
        "changes": ("Changes of which each alone would let it start at once.", None),
        "clientPid": ("The process id of the client.", 4711),
        "deviceCount": ("How many devices the job asked for.", 4),
        "deviceInfo": ("JSON: the hosts and devices on which it runs or ran.", DEVICES),
        "endTime": ("When it ended.", AT),
        "endtimeFrom": ("Jobs that ended then or later.", "2026-11-23T00:00:00Z"),
        "endtimeTo": ("Jobs that ended then or earlier.", "2026-11-24T00:00:00Z"),
        "estimateBasis": (
            "What the estimate rests on: FREE, no job has to end first; LIMITS, time limits, so it starts then at the "
            "latest; MAINTENANCE, the planned end of maintenance; HISTORY, how long such jobs ran before, or time "
            "limits where an early end may let others go first.",
            None,
        ),
        "estimatedStart": ("When it is expected to start; null: unknown.", None),
        "expectedPriority": ("The priority that it has now; with another one, nothing is changed (CONFLICT).", 0),
        "expectedStatus": (
            "What it does now: waiting, submitted, or running (which also means submitted). If it does something else, "
            "nothing is changed (CONFLICT).",
            "waiting",
        ),
        "framework": ("The framework of the program.", "pytorch"),
        "attempt": ("Which attempt of the job; the latest one that had workers, if it is not given.", 1),
        "follow": ("Return text instead of JSON: the end of the output, and what follows until the job ends.", False),
        "keptAt": ("When the server got this text; null: it comes from the node now.", None),
        "WorkerLog.message": ("The problem, for a person.", None),
        "missing": ("Bytes before this text that are not kept any more.", 0),
        "more": ("Whether there is more at once, from nextOffset on.", False),
        "nextOffset": ("Where the next piece begins.", 1234),
        "scheduler_log_list.node": ("The name of a node; only its output.", "gpu-01"),
        "WorkerLog.node": ("The name of its node.", "gpu-01"),
        "WorkerLog.offset": ("Where this piece begins, in bytes from the worker's first output.", 0),
        "scheduler_log_list.offset": ("Read from here on, in bytes from the worker's first output; needs node.", 0),
        "scheduler_log_list.limit": ("Bytes of each worker at most.", 16384),
        "scheduler_log_list.job": ("The id of a job.", 7),
        "problem": ("Why the output cannot be read from the node; null: it can.", None),
        "running": ("Whether the worker runs, so that more may follow.", True),
        "tail": ("Read only the last lines, so many of each worker.", 100),
        "text": (
            "The output without control characters and escape sequences; what looks like a secret is masked.",
            "step 10 loss 2.31\n",
        ),
        "whole": ("Return text instead of JSON: all that is kept.", False),
        "WorkerLog.worker": ("The id of the worker.", 12),
        "maintenanceFrom": (
            "When maintenance of one of its backends begins, or began; null: none that it may still run in is planned.",
            None,
        ),
        "isWeb": ("Whether an operator cancels it on the web; stored as the cause.", True),
        "jobs": ("The jobs of this page.", None),
        "scheduler_outlook_list.model": ("The id of an SDA model, for a job on an SDA that does not exist yet.", 1),
        "pendingCode": ("Why it waits, as a code of a closed list.", None),
        "pendingReason": ("Why it waits, with numbers.", "It needs 4 devices; free: 2."),
        "queuePosition": ("Its place in the queue, from 1.", 3),
        "JobInfo.reason": ("Why it ended.", None),
        "requestTime": ("When it was submitted.", AT),
        "starts": ("Whether it would start at once.", False),
        "startTime": ("When it started.", AT),
        "starttimeFrom": ("Jobs that started then or later.", "2026-11-23T00:00:00Z"),
        "starttimeTo": ("Jobs that started then or earlier.", "2026-11-24T00:00:00Z"),
        "scheduler_history_list.status": ("Statuses, separated by commas.", ["COMPLETED"]),
        "timeLimit": ("How long it may hold its devices, in seconds; null: no limit.", 3600),
        "scheduler_history_list.token": ("A part of the token's description or value.", "Vision"),
        "totalCount": ("The number of all jobs.", 1),
        "Remedy.value": (
            "The priority, a number of nodes of the largest size, the limit of devices, or the time limit (s).",
            5,
        ),
        "version": ("The version of the client.", "1.4.0"),
    },
    failures={
        "NOT_ENOUGH_DEVICES": ("There are not enough devices.", {"numDevices": 4}),
        "OVER_LIMIT": ("The token would hold more devices than it may.", {"needed": 12, "available": 8}),
        "GROUP_DRAINING": ("The backend group is draining.", {"group": 1}),
        "JOB_NOT_WAITING": ("The job does not wait any more.", {"job": 12}),
        "JOB_FINISHED": ("The job is over.", {"job": 12}),
    },
    tags={
        "scheduler": "The queue and the history of jobs.",
    },
)
