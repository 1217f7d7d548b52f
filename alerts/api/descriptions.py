"""Descriptions of the fields of alerts in REST."""

from core.api.description.words import AT, describe

describe(
    words={
        "Alert.category": ("The cause.", "NODE_LOST"),
        "Alert.level": ("How urgent it is.", "CRITICAL"),
        "Alert.code": ("What exactly it says; `params` are its parameters.", "NODE_LOST"),
        "Alert.params": ("The parameters of the code, never secrets.", {"node": "gpu-7"}),
        "Alert.text": ("The same as a sentence, in the language of the request.", "gpu-7 has been silent too long."),
        "Alert.subject": ("What it is about.", None),
        "Alert.group": ("The backend group of the subject; null if it is in none.", None),
        "Alert.customer": ("The description of the subject's token; empty if it has none.", ""),
        "Alert.tags": ("The tags of the subject.", ["rack-7"]),
        "AlertSubject.kind": ("The kind of the thing, as in events.", "backend"),
        "AlertSubject.id": ("Its id.", 7),
        "AlertSubject.name": ("Its name; empty if it has none, or is no longer stored.", "gpu-7"),
        "AlertSubject.page": (
            "The path of its page in the console; empty if it has none.",
            "/admin/backends/backend/7/change/",
        ),
        "Alert.times": ("How often it was raised since it is open.", 1),
        "Alert.raisedAt": ("When it was opened.", AT),
        "Alert.lastAt": ("When its cause was last seen; null if that was not stored.", AT),
        "Alert.clearedAt": ("When its cause was gone; null while it is open.", AT),
        "Alert.acknowledgedAt": ("When somebody said that they look after it; null: nobody.", AT),
        "Alert.acknowledgedBy": ("Who looks after it; empty: nobody.", "kim"),
        "Alert.note": ("What they noted.", "replacing the riser"),
        "AlertCommandRequest.command": ("What to do about it.", "acknowledge"),
        "AlertCommandRequest.note": ("A note for everybody who sees it.", "replacing the riser"),
        "alert_list.category": ("Only alerts of these categories.", ["NODE_LOST"]),
        "alert_list.level": ("Only alerts of these levels.", ["CRITICAL"]),
        "alert_list.code": ("Only alerts that say this.", "NODE_LOST"),
        "alert_list.subjectKind": ("Only alerts about things of these kinds.", ["backend"]),
        "alert_list.subjectId": ("Only alerts about things with this id.", 7),
        "alert_list.open": ("Only what is open, or only what is cleared.", "true"),
        "alert_list.acknowledged": ("Only what somebody looks after, or only what nobody does.", "false"),
        "alert_list.from": ("Alerts that were raised then or later.", "2026-11-23T00:00:00Z"),
        "alert_list.to": ("Alerts that were raised then or earlier.", "2026-11-24T00:00:00Z"),
    },
    tags={
        "alert": "Alerts: what an operator must look at.",
    },
)
