"""Every failure on the wire: one table of codes and statuses, one body."""

import uuid
from collections.abc import Mapping
from math import ceil
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DatabaseError
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response

from core import outages
from core.errors import DomainError
from core.outages import RETRY_AFTER

log = structlog.get_logger(__name__)
STATUS: Mapping[str, int] = {
    "INVALID_PARAMETER": 400,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "MODEL_NOT_ALLOWED": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "CONFLICT": 409,
    "DUPLICATE": 409,
    "SDA_IN_USE": 409,
    "TOKEN_HAS_SDA": 409,
    "GROUP_NOT_EMPTY": 409,
    "GROUP_IN_USE": 409,
    "MODEL_IN_USE": 409,
    "DEVICE_IN_USE": 409,
    "BACKEND_IN_USE": 409,
    "MAX_SDA_REACHED": 409,
    "NOT_ENOUGH_DEVICES": 409,
    "OVER_LIMIT": 409,
    "GROUP_DRAINING": 409,
    "BUDGET_SPENT": 409,
    "FIELD_IN_USE": 409,
    "SECRET_UNREADABLE": 409,
    "JOB_NOT_WAITING": 409,
    "JOB_FINISHED": 409,
    "DEFAULT_GROUP": 409,
    "ACTION_UNDER_WAY": 409,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "KEY_REUSED": 422,
    "THROTTLED": 429,
    "INTERNAL_ERROR": 500,
    "IPMI_ERROR": 502,
    "PROMETHEUS_ERROR": 502,
    "GRPC_ERROR": 503,
    "DATABASE_ERROR": 503,
    "BROKER_ERROR": 503,
}
# The first kind that fits counts, so special ones stand before general ones.
CODES: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.ParseError, "INVALID_PARAMETER"),
    (exceptions.NotAuthenticated, "UNAUTHENTICATED"),
    (exceptions.AuthenticationFailed, "UNAUTHENTICATED"),
    (exceptions.PermissionDenied, "FORBIDDEN"),
    (PermissionDenied, "FORBIDDEN"),
    (exceptions.NotFound, "NOT_FOUND"),
    (Http404, "NOT_FOUND"),
    (exceptions.MethodNotAllowed, "METHOD_NOT_ALLOWED"),
    (exceptions.UnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE"),
    (exceptions.Throttled, "THROTTLED"),
    (RequestDataTooBig, "PAYLOAD_TOO_LARGE"),
    (SuspiciousOperation, "INVALID_PARAMETER"),
    (RecursionError, "INVALID_PARAMETER"),
    *outages.CODES,
)


def failure(code: str, message: str, details: Mapping[str, Any] | None = None, **headers: str) -> Response:
    """Make the answer to what went wrong; its code decides the status."""
    body = {"code": code, "message": message, "details": dict(details or {})}
    return Response(body, status=STATUS[code], headers={name.replace("_", "-"): v for name, v in headers.items()})


def answer_failure(error: Exception, context: Mapping[str, Any]) -> Response:
    """Turn any exception of a view into a failure; DRF's EXCEPTION_HANDLER."""
    if isinstance(error, DomainError):
        later = {} if error.retry_after is None else {"Retry_After": str(ceil(error.retry_after))}
        return failure(error.code, str(error), _details(error), **later)
    if isinstance(error, exceptions.ValidationError):
        return _invalid(error)
    code = next((code for kind, code in CODES if isinstance(error, kind)), "")
    if not code:
        return _unexpected(error, context)
    if code in outages.UNAVAILABLE:
        log.error("unavailable", code=code, error=type(error).__name__, exc_info=outages.of_ours(error))
        return failure(code, _("A service that is needed does not answer; try again."), Retry_After=RETRY_AFTER)
    return failure(code, _message(error, code), **_headers(error))


def _details(error: DomainError) -> dict[str, Any]:
    """Name the parameter as the key, as everywhere."""
    details = dict(error.details)
    if name := details.pop("parameter", ""):
        details[str(name)] = [str(error)]
    return details


def _invalid(error: exceptions.ValidationError) -> Response:
    details = error.detail if isinstance(error.detail, dict) else {"body": error.detail}
    return failure("INVALID_PARAMETER", _("Not valid: %s.") % ", ".join(map(str, details)), details)


def _message(error: Exception, code: str) -> str:
    if code == "PAYLOAD_TOO_LARGE":
        return _("The request is too large.")
    if code in ("CONFLICT", "INVALID_PARAMETER") and isinstance(error, DatabaseError):
        return _("The database refused it, and nothing was changed.")
    if code == "NOT_FOUND":
        return _("There is no such address.")
    return str(getattr(error, "detail", "")) or _("The request cannot be read.")


def _headers(error: Exception) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW_Authenticate"] = str(challenge)
    if wait := getattr(error, "wait", None):
        headers["Retry_After"] = str(int(wait))
    return headers


def _unexpected(error: Exception, context: Mapping[str, Any]) -> Response:
    number = uuid.uuid4().hex[:12]
    log.error("internal_error", id=number, view=type(context.get("view")).__name__, exc_info=error)
    return failure("INTERNAL_ERROR", _("Something went wrong; please quote %s.") % number, {"id": number})
