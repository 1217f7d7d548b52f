from typing import Any, ClassVar
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from accounts.choices import DEMANDED_OF, Letter, Role
from core.crypto import EncryptedField


class Operator(AbstractUser):
    """An administrator of the cloud; the role alone decides what they may do."""

    role = models.CharField(_("role"), max_length=16, choices=Role, default=Role.READ_ONLY)
    email_verified_at = models.DateTimeField(_("e-mail verified"), null=True, blank=True)
    two_factor_at = models.DateTimeField(_("two-factor"), null=True, blank=True, editable=False)
    factor_changes = models.PositiveIntegerField(default=0, editable=False)
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

    @property
    def factor_demanded(self) -> bool:
        """Whether a second factor is demanded of this operator: MOREH_TWO_FACTOR."""
        return self.role in DEMANDED_OF[settings.MOREH_TWO_FACTOR]

    @property
    def owes_factor(self) -> bool:
        """Whether this operator must first switch a second factor on."""
        return self.two_factor_at is None and self.factor_demanded

    def _get_session_auth_hash(self, secret: Any = None) -> str:
        """End sessions also when the second factor changes."""
        seal: str = super()._get_session_auth_hash(secret)  # type: ignore[misc]
        if not self.factor_changes:
            return seal
        return salted_hmac(
            "moreh.factor", f"{seal}{self.factor_changes}", secret=secret, algorithm="sha256"
        ).hexdigest()

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


class AccessToken(models.Model):
    """An access token of a program; only its digest is kept, `number` names it."""

    digest = models.CharField(max_length=128, primary_key=True)
    token_key = models.CharField(max_length=25, db_index=True, default="", editable=False)
    """The first characters of tokens that version 0.1.0 created; it is not read."""
    user = models.ForeignKey(Operator, on_delete=models.CASCADE, related_name="auth_token_set")
    created = models.DateTimeField(auto_now_add=True)
    expiry = models.DateTimeField(null=True, blank=True)
    number = models.UUIDField(default=uuid4, unique=True, editable=False)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("created", "number")

    def __str__(self) -> str:
        return str(self.number)


class AccessAttempt(models.Model):
    """The number of log-in attempts for a name from an address, in the table of django-axes that version 0.1.0 used.

    `username` holds a keyed hash of the name. Unused columns stay while processes of version 0.1.0 may write them.
    """

    id = models.AutoField(primary_key=True)
    user_agent = models.CharField(max_length=255, db_index=True, default="", editable=False)
    ip_address = models.GenericIPAddressField(null=True, db_index=True)
    username = models.CharField(max_length=255, null=True, db_index=True)  # noqa: DJ001 - as the table is
    http_accept = models.CharField(max_length=1025, default="", editable=False)
    path_info = models.CharField(max_length=255, default="", editable=False)
    attempt_time = models.DateTimeField(auto_now_add=True)
    get_data = models.TextField(default="", editable=False)
    post_data = models.TextField(default="", editable=False)
    failures_since_start = models.PositiveIntegerField()

    class Meta:
        db_table = "axes_accessattempt"
        unique_together = (("username", "ip_address", "user_agent"),)

    def __str__(self) -> str:
        return str(self.pk)


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


class SecondFactor(models.Model):
    """The secret from which an operator's app computes codes; it counts once `Operator.two_factor_at` is set."""

    operator = models.OneToOneField(Operator, on_delete=models.CASCADE, related_name="second_factor")
    secret = EncryptedField(editable=False)
    last_step = models.BigIntegerField(default=0)  # of the last code that was used: each works once

    def __str__(self) -> str:
        return str(self.operator_id)


class RecoveryCode(models.Model):
    """A code for who has lost the app; it works once, and only its digest is kept."""

    factor = models.ForeignKey(SecondFactor, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64, editable=False)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["factor", "digest"], name="recovery_code_once")
        ]

    def __str__(self) -> str:
        return str(self.pk)
