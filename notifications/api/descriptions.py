"""The descriptions of notifications in the API schema."""

from core.api.description.words import AT, describe

describe(
    words={
        "Silence.about": ("The one thing that is meant, like backend/12; empty for no one thing.", "backend/12"),
        "NewSilence.about": ("The one thing that is meant: a kind and a number.", "backend/12"),
        "categories": ("Categories of alerts; empty: all.", ["NODE_LOST"]),
        "channels": ("The ids of the channels that hear of them.", [3]),
        "comment": ("Why it is silent.", "cable is being replaced"),
        "Rule.enabled": ("Whether the rule tells.", True),
        "from": ("When it begins.", AT),
        "fromTime": ("Time of day when the rule begins to tell; null: all day.", "22:00"),
        "groups": ("Ids of backend groups; empty: all.", [1]),
        "groupWait": ("For how many seconds alerts are collected into one message.", 5),
        "leastLevel": ("The lowest level that is meant.", "WARNING"),
        "repeatEvery": ("After how many minutes it is said again; null: never.", 60),
        "sendResolved": ("Whether it is also said when it is over.", True),
        "timeZone": ("The time zone of the hours; empty: that of the installation.", "Asia/Seoul"),
        "to": ("When it ends.", AT),
        "toTime": ("Time of day when the rule ends to tell.", "06:00"),
        "tokens": ("Ids of tokens; empty: all.", [7]),
        "weekdays": ("Days on which the rule tells; empty: every day.", ["SAT", "SUN"]),
    },
)
