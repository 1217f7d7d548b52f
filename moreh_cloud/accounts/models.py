from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from moreh_cloud.accounts.choices import Role


class Operator(AbstractUser):
    """An administrator of the cloud; the role alone decides what they may do."""

    role = models.CharField(_("role"), max_length=16, choices=Role, default=Role.READ_ONLY)
    email_verified_at = models.DateTimeField(_("e-mail verified"), null=True, blank=True)

    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]

    class Meta(AbstractUser.Meta):
        verbose_name = "administrator"
        verbose_name_plural = "administrators"

    @property
    def may_enter(self) -> bool:
        """Only active staff with a verified e-mail address come in."""
        return self.is_active and self.is_staff and self.email_verified_at is not None

    def has_perm(self, perm: str, _obj: Any = None) -> bool:
        """Judge by role: Master everything, General all but administrators, Read-only only looks."""
        app, _dot, codename = perm.partition(".")
        if not self.is_active or not self.is_staff:
            return False
        if self.role == Role.MASTER:
            return True
        if codename.startswith("view_"):
            return True
        return self.role == Role.GENERAL and app not in ("accounts", "auth", "knox")

    def has_module_perms(self, _app_label: str) -> bool:
        return self.is_active and self.is_staff
