from typing import Any, ClassVar
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _
from knox.models import AbstractAuthToken

from moreh_cloud.accounts.choices import Letter, Role


class Operator(AbstractUser):
    """An administrator of the cloud; the role alone decides what they may do."""

    role = models.CharField(_("role"), max_length=16, choices=Role, default=Role.READ_ONLY)
    email_verified_at = models.DateTimeField(_("e-mail verified"), null=True, blank=True)
    language = models.CharField(
        _("language of mails"), max_length=8, choices=settings.LANGUAGES, default=settings.LANGUAGE_CODE
    )

    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]

    class Meta(AbstractUser.Meta):
        verbose_name = _("administrator")  # type: ignore[assignment]
        verbose_name_plural = _("administrators")  # type: ignore[assignment]

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
        return self.role == Role.GENERAL and app not in ("accounts", "auth")

    def has_module_perms(self, _app_label: str) -> bool:
        return self.is_active and self.is_staff


class AccessToken(AbstractAuthToken):
    """An access token of a program; only its digest is kept, `number` names it."""

    number = models.UUIDField(default=uuid4, unique=True, editable=False)
    last_used_at = models.DateTimeField(null=True)

    class Meta(AbstractAuthToken.Meta):
        abstract = False
        ordering = ("created", "number")

    def __str__(self) -> str:
        return str(self.number)


class Mail(models.Model):
    """A mail that an operator is to get; the secret link in it is made when it is sent, and kept nowhere."""

    operator = models.ForeignKey(Operator, on_delete=models.CASCADE, related_name="mails")
    letter = models.CharField(max_length=16, choices=Letter)
    asked_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["operator", "letter"], condition=models.Q(sent_at=None), name="mail_waits_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.letter} {self.pk}"
