"""The descriptions of notifications in the API schema."""

from core.api.description.words import AT, Words, describe

RULES = ("Rule", "NewRuleRequest", "RuleChangeRequest")
SILENCES = ("Silence", "NewSilenceRequest")
MATCH: Words = {
    "groups": ("Ids of backend groups; empty: all.", [1]),
    "tokens": ("Ids of tokens; empty: all.", [7]),
}
RULE: Words = {
    **MATCH,
    "channels": ("The ids of the channels that hear of them.", [3]),
    "enabled": ("Whether messages are sent.", True),
}
SILENCE: Words = {
    **MATCH,
    "about": ("The one thing that is meant, like backend/12; empty for no one thing.", "backend/12"),
    "from": ("When it begins; at once if it is not given.", AT),
    "to": ("When it ends.", AT),
}

describe(
    words={
        **{f"{noun}.{word}": text for noun in RULES for word, text in RULE.items()},
        **{f"{noun}.{word}": text for noun in SILENCES for word, text in SILENCE.items()},
        "SilenceChangeRequest.to": SILENCE["to"],
        "alert_silence_list.state": ("Only silences that last (ACTIVE), are to come, or have ended.", "ACTIVE"),
        "categories": ("Categories of alerts; empty: all.", ["NODE_LOST"]),
        "comment": ("Why it is silent.", "cable is being replaced"),
        "fromTime": ("Time of day from which messages are sent; null: all day.", "22:00"),
        "groupWait": ("For how many seconds alerts are collected into one message.", 5),
        "leastLevel": ("The lowest level that is meant.", "WARNING"),
        "repeatEvery": ("After how many minutes it is said again; null: never.", 60),
        "sendResolved": ("Whether it is also said when it is over.", True),
        "timeZone": ("The time zone of the hours; empty: that of the installation.", "Asia/Seoul"),
        "toTime": ("Time of day until which messages are sent.", "06:00"),
        "weekdays": ("Days on which messages are sent; empty: every day.", ["SAT", "SUN"]),
    },
)
