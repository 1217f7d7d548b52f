"""The things of this app that alerts are about."""

from alerts.choices import SubjectKind
from alerts.subjects import SubjectSource, register
from scheduler.models import Job, Queue, Worker

register(
    {
        SubjectKind.JOB: SubjectSource(Job, group="group", customer="token"),
        SubjectKind.WORKER: SubjectSource(Worker, name="backend__name", group="backend__group", customer="job__token"),
        SubjectKind.QUEUE: SubjectSource(Queue, name="group__name", group="group"),
    }
)
