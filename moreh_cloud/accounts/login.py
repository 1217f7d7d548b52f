from typing import Any

from django.contrib.auth.backends import ModelBackend


class OperatorBackend(ModelBackend):
    """Let in, and keep in, only operators who are active, staff and have a verified e-mail address."""

    def user_can_authenticate(self, user: Any) -> bool:
        return user is not None and bool(user.may_enter)
