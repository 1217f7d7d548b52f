"""The page that asks for the code of a second factor."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.errors import LockedOut, WrongCode
from accounts.login.lockout import seconds_to_wait
from accounts.login.two_factor import AWAITED, awaited, require_code
from accounts.pages.base import INPUT, BasePage
from core.crypto import SecretUnreadable
from events.actor import Actor

OPERATOR_BACKEND = "accounts.login.backends.OperatorBackend"


class CodeForm(forms.Form):
    """Form of a code."""

    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=40,
        widget=forms.TextInput({**INPUT, "autocomplete": "one-time-code", "autofocus": "", "spellcheck": "false"}),
        help_text=gettext_lazy("The six digits that your app shows, or one of your recovery codes."),
    )


class EnterCode(BasePage):
    """The page for the code after the right password."""

    form_class = CodeForm
    title = gettext_lazy("Two-factor log-in")
    button = gettext_lazy("Log in")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.operator = awaited(request)
        if self.operator is None:
            messages.error(request, _("That took too long. Log in again."))
            return HttpResponseRedirect(str(self.success_url))
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        """Log in with the right code."""
        operator, request = self.operator, self.request
        assert operator is not None  # dispatch saw to it
        actor = Actor(operator.get_username(), "admin", request.META.get("REMOTE_ADDR", ""))
        try:
            require_code(request, operator, form.cleaned_data["code"], actor)
        except (WrongCode, LockedOut, SecretUnreadable) as refusal:
            form.add_error("code", str(refusal))
            return self._refused(form, locked=isinstance(refusal, LockedOut))
        following = request.session.pop(AWAITED)["next"]
        login(request, operator, OPERATOR_BACKEND)
        return HttpResponseRedirect(following)

    def _refused(self, form: Any, *, locked: bool) -> HttpResponse:
        answer = self.form_invalid(form)
        if locked:
            answer.status_code = 429
            answer["Retry-After"] = str(seconds_to_wait())
        return answer
