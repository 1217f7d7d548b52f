"""The login page."""

from math import ceil
from typing import Any

from django.contrib.auth.views import LoginView
from django.core.exceptions import ValidationError
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm

from accounts.errors import TooManyLogins
from accounts.login.lockout import is_locked_out, return_attempt
from accounts.login.two_factor import await_code


class LoginForm(AuthenticationForm):
    """The login page's form, which tells a lock-out and a crowd from a wrong password."""

    crowded: TooManyLogins | None = None

    def clean(self) -> dict[str, Any]:
        """Look at name and password."""
        try:
            return super().clean()
        except TooManyLogins as crowd:
            self.crowded = crowd
            raise ValidationError(str(crowd), code="crowded") from crowd

    def get_invalid_login_error(self) -> ValidationError:
        """Return what went wrong."""
        if self.request is not None and is_locked_out(self.request):
            return ValidationError(_("Too many wrong passwords; try again later."), code="locked_out")
        return super().get_invalid_login_error()


class LogIn(LoginView):
    """The login page; whoever has a second factor comes in only through the next page."""

    def form_valid(self, form: Any) -> HttpResponse:
        """Log in, or ask for the code after the right password."""
        operator = form.get_user()
        if operator.two_factor_at is None:
            return super().form_valid(form)
        return_attempt(self.request, operator)
        await_code(self.request, operator, self.get_success_url())
        return HttpResponseRedirect(reverse("enter_code"))

    def form_invalid(self, form: Any) -> HttpResponse:
        """Show the error."""
        answer = super().form_invalid(form)
        if form.crowded is not None:
            answer.status_code = 429
            answer["Retry-After"] = str(ceil(form.crowded.retry_after))
        return answer
