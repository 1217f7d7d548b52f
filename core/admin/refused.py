"""The answer to an address of the admin that asks for what its page does not offer, or cannot read."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from core.errors import Message


class ParameterRefused(Exception):
    """Parameters that are not offered or cannot be read, and why, where more is known."""

    def __init__(self, *names: str, why: Message = "") -> None:
        super().__init__(*names)
        self.names, self.why = names, why


def refuse(request: HttpRequest, refused: ParameterRefused) -> HttpResponse:
    """Return the page, with status 400, that names the parameters."""
    context = {"names": ", ".join(refused.names), "why": refused.why}
    return render(request, "admin/parameter_refused.html", context, status=400)
