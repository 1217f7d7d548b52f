from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

MOST_QUERY = 2000


class SavedFilters(QuerySet["SavedFilter"]):
    """Queries of saved filters."""

    def available_to(self, operator_id: int | None, path: str) -> "SavedFilters":
        """Return the own and the shared filters of a page for an operator, with `is_default`."""
        chosen = DefaultFilter.objects.filter(operator=operator_id, path=path, saved=OuterRef("pk"))
        mine = self.filter(Q(operator=operator_id) | Q(shared=True), path=path)
        return mine.select_related("operator").annotate(is_default=Exists(chosen)).order_by("shared", "name", "pk")


class SavedFilter(models.Model):
    """Filter, search and order of a list under a name. `path` names the page."""

    operator = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_filters")
    path = models.CharField(_("page"), max_length=128)
    name = models.CharField(_("name"), max_length=64)
    query = models.CharField(_("filter"), max_length=MOST_QUERY, blank=True)
    shared = models.BooleanField(_("shared"), default=False)
    saved_at = models.DateTimeField(_("saved"))

    objects = SavedFilters.as_manager()

    class Meta:
        verbose_name = _("saved filter")
        verbose_name_plural = _("saved filters")
        constraints = (models.UniqueConstraint(fields=["operator", "path", "name"], name="saved_filter_name_once"),)
        indexes = (models.Index(fields=["path", "shared"], name="saved_filter_page"),)

    def __str__(self) -> str:
        return self.name


class DefaultFilter(models.Model):
    """The filter with which a page opens for an operator; it may be a shared filter of another operator."""

    operator = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    path = models.CharField(max_length=128)
    saved = models.ForeignKey(SavedFilter, models.CASCADE, related_name="+")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["operator", "path"], name="default_filter_one"),)

    def __str__(self) -> str:
        return self.path
