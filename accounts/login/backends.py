"""Log-in by name and password. Sessions store the paths of these classes: a move needs a migration."""

from typing import Any

from django.contrib.auth.backends import ModelBackend

from accounts.errors import TooManyLogins
from accounts.login.hashing import login_queue
from accounts.login.lockout import require_attempt, return_attempt_of_name, site_of


class CountingBackend:
    """Count a log-in attempt before its password is checked, or refuse it; it never logs anybody in.

    It has no `get_user`: Django uses the first backend that has one where no backend is named.
    """

    def authenticate(self, request: Any, username: str | None = None, **_credentials: Any) -> None:
        """Count an attempt, and leave the check to the next backend. Raises TooManyLogins, PermissionDenied."""
        login_queue.require_space(site_of(request))
        if username:
            require_attempt(request, username)


class OperatorBackend(ModelBackend):
    """Admit only operators who are active, staff and have a verified e-mail address."""

    def authenticate(
        self, request: Any, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        """Return who has this name and password. Raises TooManyLogins, and then the attempt does not count."""
        try:
            with login_queue.place(site_of(request)):
                return super().authenticate(request, username, password, **kwargs)
        except TooManyLogins:
            return_attempt_of_name(request, username or "")
            raise

    def user_can_authenticate(self, user: Any) -> bool:
        return user is not None and bool(user.may_enter)
