"""Devices in REST: their holders and their status."""

import pytest
from rest_framework.test import APIClient

from accounts.choices import Role
from backends.choices import DeviceStatus
from tests import make
from tests.api import V2, client, done, refused

pytestmark = pytest.mark.django_db
URL = f"{V2}/backend"


@pytest.fixture
def api() -> APIClient:
    return client()


def test_a_device_has_the_job_and_token_that_hold_it(api: APIClient) -> None:
    node = make.ready_backend(2)
    job = make.running_job(node)
    held, free = api.get(URL, {"id": node.pk}).json()[0]["devices"]
    names = ("jobId", "sdaId", "token", "processName", "status")
    assert [held[name] for name in names] == [job.pk, job.sda_id, job.token.value, "", "PROCESSING"]
    assert [free[name] for name in names] == [None, None, None, None, "IDLE"]
    (masked,) = client(Role.READ_ONLY).get(URL).json()
    assert masked["devices"][0]["token"] == job.token.masked


def test_devices_are_set_and_drain_while_held(api: APIClient) -> None:
    node = make.ready_backend(2)
    make.running_job(node)
    url = f"{URL}/device/status"
    result = done(api.put(url, {"id": node.pk, "status": "busy"}))
    assert result == {
        "id": node.pk,
        "devices": [{"index": 0, "result": "draining"}, {"index": 1, "result": "changed"}],
    }
    assert make.statuses(node) == [DeviceStatus.PROCESSING, DeviceStatus.BUSY]
    one = done(api.put(url, {"id": node.pk, "status": "IDLE", "device": 1}))
    assert one["devices"] == [{"index": 1, "result": "changed"}]
    assert refused(api.put(url, {"id": node.pk, "status": "IDLE", "device": 9})) == (404, "NOT_FOUND", ["device", "id"])
    assert refused(api.put(url, {"id": node.pk, "status": "CLEANING"})) == (400, "INVALID_PARAMETER", ["status"])
