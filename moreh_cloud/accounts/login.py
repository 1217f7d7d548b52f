from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.views import LoginView
from django.core.exceptions import ValidationError
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm

from moreh_cloud.accounts.lockout import give_back, is_locked_out
from moreh_cloud.accounts.second_step import hold


class OperatorBackend(ModelBackend):
    """Let in, and keep in, only operators who are active, staff and have a verified e-mail address."""

    def user_can_authenticate(self, user: Any) -> bool:
        return user is not None and bool(user.may_enter)


class LoginForm(AuthenticationForm):
    """The login page's form, which tells a lock-out from a wrong password."""

    def get_invalid_login_error(self) -> ValidationError:
        """Give what went wrong."""
        if self.request is not None and is_locked_out(self.request):
            return ValidationError(_("Too many wrong passwords; try again later."), code="locked_out")
        return super().get_invalid_login_error()


class LogIn(LoginView):
    """The login page; whoever has a second factor comes in only through the next page."""

    def form_valid(self, form: Any) -> HttpResponse:
        """Let in, or hold the right password until the code comes."""
        operator = form.get_user()
        if operator.two_factor_at is None:
            return super().form_valid(form)
        give_back(self.request, operator)
        hold(self.request, operator, self.get_success_url())
        return HttpResponseRedirect(reverse("enter_code"))
