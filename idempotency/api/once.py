"""Idempotency-Key: the same POST within 24 hours gives the first answer again.

Kept are successes and the refusals of the service that was called (400, 403, 404, 409 but CONFLICT, which says "try
again"). Not kept is what never came so far: no log-in, too many requests, an unreadable body, and every 5xx.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api.parameters import merged
from core.repeats import is_rolled_back
from idempotency.services import Answer, answer_once

KEY = "Idempotency-Key"
PRINTABLE = re.compile(r"[!-~]{1,255}")
FINAL = (400, 403, 404, 409)
Handler = Callable[..., Response]


def once(view: APIView, handler: Handler) -> Callable[..., HttpResponseBase]:
    """Carry out a POST with a key once. Raises ValidationError, KeyReused."""

    def answer(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        key = request.headers.get(KEY)
        if key is None:
            return handler(request, *args, **kwargs)
        if not PRINTABLE.fullmatch(key):
            raise ValidationError({KEY: [_("Use 1 to 255 printable ASCII characters.")]})
        operator = int(request.user.pk or 0)
        return _response(answer_once(operator, key, _fingerprint(request), lambda: _carry_out(view, handler, request)))

    return answer


def _fingerprint(request: Request) -> str:
    described = json.dumps([request.path, merged(request)], sort_keys=True, default=str)
    return salted_hmac("idempotency", described, algorithm="sha256").hexdigest()


def _carry_out(view: APIView, handler: Handler, request: Request) -> Answer:
    try:
        with transaction.atomic():
            response = handler(request)
    except Exception as error:
        if is_rolled_back(error):
            raise  # the key with it: all of the request is repeated
        response = view.handle_exception(error)
    status = response.status_code
    body = JSONRenderer().render(response.data).decode()
    final = status < 300 or (status in FINAL and response.data.get("code") != "CONFLICT")
    return Answer(status, body, final)


def _response(answer: Answer) -> HttpResponse:
    headers = {"Idempotency-Replayed": "true"} if answer.again else {}
    return HttpResponse(answer.body, status=answer.status, content_type="application/json", headers=headers)
