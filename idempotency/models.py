from django.db import models
from django.utils.translation import gettext_lazy as _

from core.crypto import EncryptedField


class KeptAnswer(models.Model):
    """The first answer to a request with an Idempotency-Key; whose key it is, is a plain number."""

    operator_id = models.BigIntegerField(_("administrator"))
    key = models.CharField(_("key"), max_length=255)
    fingerprint = models.CharField(max_length=64, help_text=_("Of address and parameters, keyed."))
    status = models.PositiveSmallIntegerField(_("status"), default=0)
    body = EncryptedField(_("body"), blank=True)
    kept_at = models.DateTimeField(_("kept since"))

    class Meta:
        verbose_name = _("kept answer")
        verbose_name_plural = _("kept answers")
        constraints = (models.UniqueConstraint(fields=["operator_id", "key"], name="kept_answer_key"),)
        indexes = (models.Index(fields=["kept_at"], name="kept_answer_age"),)

    def __str__(self) -> str:
        return f"answer {self.pk} of operator {self.operator_id}"
