from math import ceil
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.login.lockout import site_of
from accounts.models import Operator
from core.throttle import Bucket

bucket = Bucket("rest")


class PerOperator(BaseThrottle):
    """So many requests a second for each operator, whatever their access token; strangers count by address.

    DRF's own throttles read and write in two steps: 112 of 112 requests at once passed a limit of 20.
    """

    seconds = 0.0

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count the request; tell whether there is room for it."""
        known = isinstance(request.user, Operator)
        key = f"operator:{request.user.pk}" if known else f"address:{site_of(request._request)}"
        self.seconds = bucket.take(key, rate=settings.MOREH_REST_RATE, burst=settings.MOREH_REST_BURST)
        return self.seconds == 0

    def wait(self) -> float:
        """Return the whole seconds after which there is room."""
        return max(1, ceil(self.seconds))
