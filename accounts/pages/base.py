"""Base of the pages for visitors who are not logged in."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import FormView
from unfold.widgets import BASE_INPUT_CLASSES

if TYPE_CHECKING:
    _FormView = FormView[Any]
else:
    _FormView = FormView

INPUT = {"class": " ".join(BASE_INPUT_CLASSES)}


@method_decorator(never_cache, name="dispatch")
class BasePage(_FormView):
    """A page for who is not logged in, in the admin's looks."""

    template_name = "accounts/page.html"
    success_url = reverse_lazy("admin:login")
    title: Any = ""
    says: Any = ""
    button: Any = ""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        words = {"title": self.title, "says": self.says, "button": self.button}
        return super().get_context_data(**admin.site.each_context(self.request), **words, **kwargs)
