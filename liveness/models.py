import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

ENDED = uuid.UUID(int=0)


class Sign(models.Model):
    """The last sign of life of a kind of process, or of periodic work; a row, because the broker may be away."""

    name = models.CharField(_("name"), max_length=64, primary_key=True)
    begun_at = models.DateTimeField(_("last begun"), null=True)
    seen_at = models.DateTimeField(_("last seen, or done"), null=True)
    by = models.CharField(_("by"), max_length=128, blank=True)
    fallback = models.BooleanField(_("without the broker"), default=False)

    class Meta:
        verbose_name = _("sign of life")
        verbose_name_plural = _("signs of life")

    def __str__(self) -> str:
        return self.name


class ProcessCounts(models.Model):
    """What one process has counted since it began, and how much of something it has now; see core.measures.

    The row with the id ENDED holds the sums of all processes that have ended.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    process = models.CharField(max_length=32, blank=True)
    seen_at = models.DateTimeField()
    counts = models.TextField()  # JSON
    gauges = models.TextField(default="{}")  # JSON

    class Meta:
        verbose_name = "counts of a process"
        verbose_name_plural = "counts of processes"

    def __str__(self) -> str:
        return self.process or "ended"
