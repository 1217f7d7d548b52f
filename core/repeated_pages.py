"""Forms of pages, carried out again when the database rolled them back so that another transaction could go on."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.messages import get_messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from core.repeats import repeated

Page = Callable[..., HttpResponseBase]


def repeated_page(view: Page) -> Page:
    """Return the view that repeats a POST whose transaction was rolled back, as if it had not been tried before."""

    @wraps(view)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        queued: list[Any] = getattr(get_messages(request), "_queued_messages", [])
        earlier = list(queued)

        def carry_out() -> HttpResponseBase:
            queued[:] = earlier
            for _name, files in request.FILES.lists():
                for file in files:
                    file.seek(0)
            return view(request, *args, **kwargs)

        return repeated(carry_out)

    return page
