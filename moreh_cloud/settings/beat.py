"""Schedule of Celery beat (seconds)."""

from typing import Any

CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "tick": {"task": "scheduler.tasks.tick_all", "schedule": 2.0, "options": {"expires": 10}},
    "look_ahead": {"task": "scheduler.tasks.look_ahead", "schedule": 3.0, "options": {"expires": 10}},
    "sweep": {"task": "scheduler.tasks.sweep", "schedule": 5.0, "options": {"expires": 20}},
    "maintain": {"task": "scheduler.tasks.maintain", "schedule": 5.0, "options": {"expires": 20}},
    "reconcile": {"task": "scheduler.tasks.reconcile", "schedule": 60.0, "options": {"expires": 60}},
    "check-self": {"task": "moreh_cloud.tasks.check_self", "schedule": 30.0, "options": {"expires": 30}},
    "watch-devices": {"task": "scheduler.tasks.watch_devices", "schedule": 60.0, "options": {"expires": 60}},
    "power-sweep": {
        "task": "backends.tasks.sweep_power",
        "schedule": 10.0,
        "options": {"expires": 20, "queue": "power"},
    },
    "power-probe": {
        "task": "backends.tasks.probe_bmcs",
        "schedule": 60.0,
        "options": {"expires": 60, "queue": "power"},
    },
    "power-monitor": {
        "task": "backends.tasks.monitor_bmcs",
        "schedule": 60.0,
        "options": {"expires": 60, "queue": "power"},
    },
    "power-pick-up": {
        "task": "backends.tasks.pick_up_power",
        "schedule": 5.0,
        "options": {"expires": 10, "queue": "power"},
    },
    "bulk-pick-up": {"task": "moreh_cloud.bulk.tasks.pick_up", "schedule": 5.0, "options": {"expires": 10}},
    "bulk-tidy": {"task": "moreh_cloud.bulk.tasks.tidy", "schedule": 3600.0, "options": {"expires": 3600}},
    "event-feed": {"task": "subscriptions.tasks.feed", "schedule": 1.0, "options": {"expires": 10, "queue": "outbox"}},
    "outbox-pick-up": {
        "task": "outbox.tasks.pick_up",
        "schedule": 2.0,
        "options": {"expires": 10, "queue": "outbox"},
    },
    "outbox-tidy": {
        "task": "outbox.tasks.tidy",
        "schedule": 600.0,
        "options": {"expires": 600, "queue": "outbox"},
    },
    "mail": {"task": "moreh_cloud.accounts.tasks.send_mails", "schedule": 60.0, "options": {"expires": 60}},
    "clear-sessions": {
        "task": "moreh_cloud.accounts.tasks.clear_sessions",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
    "notifications": {"task": "notifications.tasks.sweep", "schedule": 10.0, "options": {"expires": 10}},
    "log-tails": {"task": "scheduler.tasks.delete_old_tails", "schedule": 600.0, "options": {"expires": 600}},
    "repairs": {"task": "remediation.tasks.sweep", "schedule": 5.0, "options": {"expires": 10}},
    "roll-up": {"task": "usage.tasks.roll_up", "schedule": 60.0, "options": {"expires": 120}},
    "check-budgets": {"task": "billing.tasks.check_budgets", "schedule": 60.0, "options": {"expires": 60}},
    "tidy-answers": {"task": "moreh_cloud.answers.tasks.tidy", "schedule": 600.0, "options": {"expires": 600}},
}
