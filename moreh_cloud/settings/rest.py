"""REST: who may come in, what is read and written, and the API documentation."""

from datetime import timedelta

from . import env

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "moreh_cloud.accounts.api.entry.Bearer",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["moreh_cloud.accounts.api.entry.RoleAllows"],
    "DEFAULT_THROTTLE_CLASSES": ["moreh_cloud.accounts.api.throttle.PerOperator"],
    "DEFAULT_RENDERER_CLASSES": ["moreh_cloud.lib.api.rendering.Json"],
    "DEFAULT_PARSER_CLASSES": [
        "rest_framework.parsers.JSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_FILTER_BACKENDS": ["moreh_cloud.lib.api.filters.Filters"],
    "DEFAULT_PAGINATION_CLASS": "moreh_cloud.lib.api.filters.Window",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "moreh_cloud.lib.api.negotiation.FirstRenderer",
    "EXCEPTION_HANDLER": "moreh_cloud.lib.api.failures.answer_failure",
    "DEFAULT_METADATA_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "moreh_cloud.lib.api.openapi.WireSchema",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
MOREH_REST_RATE = env.number("MOREH_REST_RATE", 50, least=1)
MOREH_REST_BURST = env.number("MOREH_REST_BURST", 300, least=1)
KNOX_TOKEN_MODEL = "accounts.AccessToken"  # noqa: S105 - the name of a table
REST_KNOX = {
    "TOKEN_MODEL": KNOX_TOKEN_MODEL,
    "AUTH_HEADER_PREFIX": "Bearer",
    "TOKEN_TTL": timedelta(hours=env.number("MOREH_ACCESS_TOKEN_HOURS", 10, least=1)),
}
