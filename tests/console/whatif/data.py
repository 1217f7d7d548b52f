"""A small queue, and how the table of the what-if page is read."""

from datetime import timedelta

from scheduler.cycle.tick import tick
from scheduler.models import Job
from tests import make
from tests.console.jobs_data import cells

PAGE = "/admin/console/what-if/"


def effects(shown: str) -> dict[str, tuple[str, str, str]]:
    """Return by job the effect, and the start without and with the change."""
    return {row[0].split(" ")[0]: (row[4], row[5], row[6]) for row in cells(shown)}


class SmallQueue:
    """Two nodes of two devices; a head that needs all four, and two jobs behind it that need two each."""

    def __init__(self) -> None:
        self.one, self.two = make.ready_backend(2, name="gpu-01"), make.ready_backend(2, name="gpu-02")
        self.held = make.running_job(self.one)
        limit = timedelta(hours=1)
        Job.objects.filter(pk=self.held.pk).update(time_limit=limit)
        self.head = make.job(num_devices=4, time_limit=limit)
        self.second = make.job(num_devices=2, time_limit=limit / 2)
        self.third = make.job(num_devices=2, time_limit=limit)
        tick(0)

    def status(self, job: Job) -> str:
        return str(Job.objects.values_list("status", flat=True).get(pk=job.pk))
