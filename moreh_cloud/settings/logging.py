"""Logs: one line each on standard error, as JSON or for people, without secrets."""

import sys
from typing import Any

import structlog

from core.masking import mask_secrets
from core.traces import leave_out_outages

from . import env

MOREH_LOG_FORMAT = env.choice("MOREH_LOG_FORMAT", "console" if sys.stderr.isatty() else "json", ("json", "console"))
MOREH_LOG_LEVEL = env.choice("MOREH_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))

_shared: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_renderer: Any = (
    structlog.processors.JSONRenderer(ensure_ascii=False)
    if MOREH_LOG_FORMAT == "json"
    else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
)
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_shared,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": _shared,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.StackInfoRenderer(),
                leave_out_outages,
                structlog.processors.format_exc_info,
                mask_secrets,
                _renderer,
            ],
        }
    },
    "filters": {
        "request_lines": {"()": "core.request_lines.RequestLines"},
        "repeated_lines": {"()": "core.repeated_lines.RepeatedLines"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["repeated_lines", "request_lines"],
        }
    },
    "root": {"handlers": ["stderr"], "level": MOREH_LOG_LEVEL},
    # Django's own handlers (mail, a second console line) would pass by the mask.
    "loggers": {"django": {"handlers": [], "propagate": True}, "django.server": {"handlers": [], "propagate": True}},
}
