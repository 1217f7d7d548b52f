"""The descriptions of the outbox in the API schema: fields, tags."""

from core.api.description.words import AT, describe

describe(
    words={
        "about": ("What it is about. What is about one thing arrives in order.", "alert/12"),
        "Attempt.at": ("When it was.", AT),
        "channel": ("The id of a channel.", 3),
        "DeliveryCommandRequest.command": ("What is done.", "SEND_AGAIN"),
        "delivery": ("The id of a delivery.", 1200),
        "enabled": ("Whether messages are sent; while not, they wait for at most a day.", True),
        "Delivery.endedAt": ("When it ended; null while it is under way.", AT),
        "failingSince": ("Since when the channel has accepted nothing; null while it works.", None),
        "failures": ("How many attempts in a row have failed.", 0),
        "Delivery.group": ("What is due together is sent as one message, if this is the same.", "rack-7"),
        "keepHours": ("For how many hours the old secret signs as well; 0: it ends at once.", 24),
        "language": ("The language of its messages: en or ko.", "en"),
        "Channel.kind": ("MAIL, WEBHOOK (signed) or SLACK (Slack-compatible).", "WEBHOOK"),
        "NewChannelRequest.kind": ("MAIL, WEBHOOK (signed) or SLACK (Slack-compatible).", "WEBHOOK"),
        "NewChannel.kind": ("MAIL, WEBHOOK (signed) or SLACK (Slack-compatible).", "WEBHOOK"),
        "outbox_channel_list.kind": ("MAIL, WEBHOOK (signed) or SLACK (Slack-compatible).", "WEBHOOK"),
        "Delivery.message": ("The id of the message that carries it; null before it was made.", f"msg_{'0af3' * 8}"),
        "Attempt.message": ("The id of the message, as in the header webhook-id.", f"msg_{'0af3' * 8}"),
        "Attempt.latency": ("How long the receiver took, in ms.", 42),
        "nextAt": ("When it is tried next; null: when it is due, or never.", None),
        "notBefore": ("It is not sent before.", AT),
        "Attempt.number": ("Which attempt it was, from 1.", 1),
        "oldSecretUntil": ("Until when messages are signed with the old secret as well; null: they are not.", None),
        "recipients": ("Of mail: the addresses.", ["ops@example.com"]),
        "secret": ("Of signed webhooks: whsec_ and base64. Empty if the server did not make it.", "whsec_…"),
        "Attempt.size": ("Bytes that were sent.", 512),
        "Delivery.state": ("PENDING, SENDING, SENT, FAILED or CANCELED.", "SENT"),
        "outbox_delivery_list.state": ("Only deliveries in this state.", "SENT"),
        "statusCode": ("The HTTP or SMTP status; null without an answer.", 200),
        "Attempt.result": ("What came of it.", "OK"),
        "Delivery.subject": ("The subject of the message.", "Node lost: gpu-01"),
        "tries": ("How often it was tried.", 1),
        "url": (
            "Where webhooks are posted to; of a stored one only the host is shown.",
            "https://portal.example.com/***",
        ),
    },
    tags={
        "outbox": "Channels, deliveries and the delivery log.",
    },
)
