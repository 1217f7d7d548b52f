from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm

from moreh_cloud.accounts.lockout import is_locked_out


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
