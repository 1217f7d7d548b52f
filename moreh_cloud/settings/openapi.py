"""The description of the REST API and its page."""

SPECTACULAR_SETTINGS = {
    "TITLE": "Moreh Cloud",
    "VERSION": "2",
    "DESCRIPTION": (
        "The REST API of Moreh Cloud. Parameters may come in the query string or in the body (JSON or form); the body "
        "wins. Programs send `Authorization: Bearer <access>`, which POST /api/v2/auth/token gives; a session of the "
        "web does as well, its writes with the header `X-CSRFToken`. Times are ISO 8601 in UTC with milliseconds; on "
        "input also `YYYY-MM-DD HH:mm[:ss[.fff]]` in the installation's time zone."
    ),
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.api.description.complete.complete",
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["accounts.api.entry.RoleAllows"],
    "SCHEMA_PATH_PREFIX": "/api(/v2)?",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "FailureCode": "core.api.schema.FAILURE_CODES",
        "SuccessCode": ["SUCCESS"],
        "BackendStatus": "backends.choices.BackendStatus.choices",
        "DeviceStatus": "backends.choices.DeviceStatus.choices",
        "PowerDriver": "backends.power.drivers.titles",
        "Verdict": "backends.choices.Verdict.choices",
        "SettableStatus": "backends.api.serializers.SETTABLE",
        "PartStatus": ["ok", "degraded", "error"],
        "JobStatus": "scheduler.api.serializers.STATUSES",
        "CommandEnum": "backends.api.serializers.COMMANDS",
        "RepairCommand": "remediation.api.serializers.COMMANDS",
        "SensorState": "backends.choices.SensorState.choices",
        "KindEnum": "inventory.choices.FieldKind.choices",
        "ResultEnum": ["changed", "unchanged", "draining"],
        "DeliveryCommandEnum": ["SEND_AGAIN"],
        "ChannelKind": "outbox.choices.ChannelKind.choices",
        "ChannelStatus": "outbox.choices.ChannelStatus.choices",
        "DeliveryState": "outbox.choices.DeliveryState.choices",
        "AttemptResult": "outbox.choices.AttemptResult.choices",
        "FindingSeverityEnum": "alerts.choices.Level.choices",
        "AlertCommand": "alerts.api.serializers.COMMANDS",
        "AlertCategory": "alerts.choices.Category.choices",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
