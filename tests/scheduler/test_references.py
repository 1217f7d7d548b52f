"""A worker's job, and an allocation's job and device, are there; who is pointed at stays. On PostgreSQL by triggers."""

from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction

from scheduler.models import Allocation, Job, Worker
from tests import make

NOWHERE = 10**9
pytestmark = pytest.mark.django_db


def _refused(write: Callable[..., object], *values: object, **named: object) -> str:
    """Try what must not be possible, at the latest when constraints are looked at; return how it is refused."""

    def attempt() -> None:
        write(*values, **named)
        connection.check_constraints()

    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        attempt()
    return str(refusal.value).splitlines()[0]


@pytest.fixture
def job() -> Job:
    return make.running_job(make.ready_backend(2), 2)


@pytest.mark.parametrize(
    ("table", "column"), [("allocation", "job_id"), ("allocation", "device_id"), ("worker", "job_id")]
)
def test_what_is_pointed_at_is_there(job: Job, table: str, column: str) -> None:
    model = Allocation if table == "allocation" else Worker
    row = model.objects.filter(job=job)[:1].get()
    row.pk = None
    setattr(row, column, NOWHERE)
    assert _refused(row.save, force_insert=True)
    assert not model.objects.filter(**{column: NOWHERE}).exists()


@pytest.mark.only_postgresql
def test_what_points_is_never_turned(job: Job) -> None:
    message = _refused(make.sql, "UPDATE scheduler_allocation SET device_id = %s WHERE job_id = %s", NOWHERE, job.pk)
    assert message == "device_id of scheduler_allocation is never changed"
    assert _refused(make.sql, "UPDATE scheduler_worker SET job_id = %s WHERE job_id = %s", NOWHERE, job.pk)


def test_what_is_pointed_at_stays(job: Job) -> None:
    device = Allocation.objects.filter(job=job)[:1].get().device_id
    assert _refused(make.sql, "DELETE FROM backends_device WHERE id = %s", device)
    assert _refused(make.sql, "DELETE FROM scheduler_job WHERE id = %s", job.pk)


def test_who_is_pointed_at_by_nobody_may_go() -> None:
    waiting = make.job()
    assert make.sql("DELETE FROM scheduler_job WHERE id = %s", waiting.pk) == 1
