"""Beat, and the queues: whether they are served."""

from collections.abc import Sequence

from django.conf import settings
from django.db.models import Min

from alerts.choices import Level, SubjectKind
from alerts.codes import Code
from alerts.services import NewAlert
from alerts.subjects import SYSTEM, Subject
from core.clock import db_now
from liveness.queries import BEAT, NEVER, heartbeats
from moreh_cloud.selfcheck.alerting import Open
from moreh_cloud.selfcheck.levels import level_of
from scheduler.models import WAITING, Job

CLEARED_AT = 1 / 3  # of the time after which an alert is raised


def check_beat(before: Open) -> Sequence[NewAlert]:
    """Return an alert if beat has given no sign of life for too long. Without beat, the fallback asks this."""
    limit = settings.MOREH_BEAT_SILENT.total_seconds()
    age = heartbeats().get(BEAT, NEVER).age
    silent = limit if age is None else age
    level = level_of(silent, before.get(SYSTEM), critical=limit, margin=limit * (1 - CLEARED_AT))
    return [NewAlert(Code.NO_BEAT, SYSTEM, {"seconds": round(silent)}, level)] if level else []


def check_queues(before: Open) -> Sequence[NewAlert]:
    """Return an alert for each queue in which jobs wait and that was not ticked for too long, in one query."""
    limit, now = settings.MOREH_QUEUE_STALLED.total_seconds(), db_now()
    rows = Job.objects.filter(WAITING).order_by().values_list("group_id", "group__name", "group__queue__ticked_at")
    found = []
    for group, name, ticked_at, first in rows.annotate(Min("requested_at")):
        about = Subject(SubjectKind.QUEUE, group)
        age = (now - max(filter(None, (ticked_at, first)))).total_seconds()
        if level_of(age, before.get(about), critical=limit, margin=limit * (1 - CLEARED_AT)):
            found.append(NewAlert(Code.QUEUE_STALLED, about, {"group": name, "seconds": round(age)}, Level.CRITICAL))
    return found
