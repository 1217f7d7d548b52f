"""What Celery beat asks for, and how often (seconds)."""

from typing import Any

CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {}
