from collections.abc import Iterable, Mapping

from django.db.models import Count, QuerySet

from alerts.models import OPEN, Alert


def alerts_about(subject: str) -> QuerySet[Alert]:
    """Return the alerts about one thing, open or cleared, the newest first."""
    return Alert.objects.filter(subject=subject).order_by("-id")


def count_open(subjects: Iterable[str]) -> Mapping[str, int]:
    """Count the open alerts about some things; a thing without any is absent."""
    rows = Alert.objects.filter(OPEN, subject__in=list(subjects)).order_by().values_list("subject")
    return dict(rows.annotate(number=Count("pk")))
