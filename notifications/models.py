"""Rules, silences, and what has been said of which alert."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from alerts.choices import Level
from alerts.models import Alert
from alerts.subjects import Subject
from backends.models import BackendGroup
from core.json_field import JsonField, is_text
from core.tombstone import LIVE, Tombstoned
from inventory.models import Tag
from notifications.choices import NoticeState
from outbox.models import Channel
from tokens.models import Token


class AlertMatch(models.Model):
    """Which alerts are meant. Every condition that is not empty must hold; of a list, one entry must."""

    categories = JsonField(_("categories"), fits=is_text, default=list, blank=True)
    least_level = models.CharField(_("level, at least"), max_length=16, choices=Level, default=Level.NOTICE)
    groups = models.ManyToManyField(
        BackendGroup, blank=True, related_name="+", verbose_name=_("backend groups"),
        help_text=_("Alerts of these groups, and of nodes, devices and jobs in them. Empty: of all."),
    )  # fmt: skip
    tags = models.ManyToManyField(
        Tag, blank=True, related_name="+", verbose_name=_("tags"),
        help_text=_("Alerts of nodes with one of these tags. Empty: of all."),
    )  # fmt: skip
    tokens = models.ManyToManyField(
        Token, blank=True, related_name="+", verbose_name=_("tokens"),
        help_text=_("Alerts of these customers, and of their jobs and budgets. Empty: of all."),
    )  # fmt: skip

    class Meta:
        abstract = True

    @property
    def subject(self) -> Subject | None:
        """Return the one thing that is meant; None for no one thing."""
        return None


class Rule(Tombstoned, AlertMatch):
    """Which alerts go to which channels, and when."""

    name = models.CharField(_("name"), max_length=128)
    enabled = models.BooleanField(_("enabled"), default=True)
    channels = models.ManyToManyField(Channel, related_name="+", verbose_name=_("channels"))
    group_wait_s = models.PositiveIntegerField(
        _("collect for"), default=5, validators=[MaxValueValidator(3600)],
        help_text=_("Seconds. Alerts that are raised meanwhile are in one message."),
    )  # fmt: skip
    repeat_min = models.PositiveIntegerField(
        _("repeat every"), null=True, blank=True, validators=[MinValueValidator(5), MaxValueValidator(60 * 24 * 31)],
        help_text=_("Minutes, while an alert is open and nobody has acknowledged it. Empty: never."),
    )  # fmt: skip
    send_resolved = models.BooleanField(
        _("also say when it is over"), default=True, help_text=_("Only of alerts of which the rule has told.")
    )
    weekdays = JsonField(_("days"), fits=is_text, default=list, blank=True)
    from_time = models.TimeField(_("from"), null=True, blank=True)
    to_time = models.TimeField(_("to"), null=True, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("created"), editable=False)

    class Meta:
        verbose_name = _("notification rule")
        verbose_name_plural = _("notification rules")
        ordering = ("name", "id")
        constraints = (models.UniqueConstraint(fields=["name"], condition=LIVE, name="rule_name"),)

    def __str__(self) -> str:
        return self.name


class Silence(AlertMatch):
    """A time in which alerts are not told: they stay on the pages. It is never deleted, only ended."""

    subject_kind = models.CharField(max_length=32, blank=True, editable=False)
    subject_id = models.BigIntegerField(null=True, blank=True, editable=False)
    subject_name = models.CharField(max_length=256, blank=True, editable=False)
    starts_at = models.DateTimeField(_("begins"))
    ends_at = models.DateTimeField(_("ends"))
    comment = models.CharField(_("comment"), max_length=512)
    actor = models.CharField(_("created by"), max_length=150, editable=False)
    created_at = models.DateTimeField(_("created"), editable=False)

    class Meta:
        verbose_name = _("silence")
        verbose_name_plural = _("silences")
        ordering = ("-id",)
        constraints = (models.CheckConstraint(condition=Q(ends_at__gte=F("starts_at")), name="silence_order"),)
        indexes = (models.Index(fields=["ends_at"], name="silence_ends"),)

    def __str__(self) -> str:
        return f"#{self.pk} ({timezone.localtime(self.ends_at):%Y-%m-%d %H:%M})"

    @property
    def subject(self) -> Subject | None:
        """Return the one thing that is silenced; None for no one thing."""
        return Subject(self.subject_kind, self.subject_id) if self.subject_id is not None else None


class Notice(models.Model):
    """What a rule has said of an alert; `next_at`: when it says it again."""

    rule = models.ForeignKey(Rule, models.PROTECT, related_name="+", db_index=False, verbose_name=_("rule"))
    alert = models.ForeignKey(Alert, models.CASCADE, related_name="notices", db_index=False, verbose_name=_("alert"))
    state = models.CharField(_("state"), max_length=16, choices=NoticeState)
    notified_at = models.DateTimeField(_("told"), null=True)
    next_at = models.DateTimeField(_("again at"), null=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=["alert", "rule"], name="notice_once"),)
        indexes = (
            models.Index(fields=["id"], condition=Q(state=NoticeState.HELD), name="notice_held"),
            models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="notice_next"),
            models.Index(F("rule"), F("id").desc(), name="notice_rule"),
        )

    def __str__(self) -> str:
        return f"#{self.pk}"
