"""REST: who may come in, what is read and written, and the API documentation."""

from . import env

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api.entry.Bearer",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.entry.RoleAllows"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.api.throttle.PerOperator"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "rest_framework.parsers.JSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_FILTER_BACKENDS": ["core.api.filters.Filters"],
    "DEFAULT_PAGINATION_CLASS": "core.api.filters.Window",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "core.api.negotiation.FirstRenderer",
    "EXCEPTION_HANDLER": "core.api.failures.answer_failure",
    "DEFAULT_METADATA_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "core.api.openapi.WireSchema",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
MOREH_REST_RATE = env.number("MOREH_REST_RATE", 50, least=1)
MOREH_REST_BURST = env.number("MOREH_REST_BURST", 300, least=1)
MOREH_ACCESS_TOKEN_HOURS = env.hours("MOREH_ACCESS_TOKEN_HOURS", 10)
