"""The descriptions of subscriptions in the API schema."""

from core.api.description.words import describe

describe(
    words={
        "kinds": ("What it is told of: JOB, SDA, TOKEN, USAGE, ALERT.", ["JOB", "SDA"]),
        "Subscription.since": ("It gets the events with higher ids.", 4711),
        "NewSubscription.since": ("It gets the events with higher ids.", 4711),
    },
)
