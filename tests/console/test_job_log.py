"""The output of a job on its page."""

from typing import TYPE_CHECKING

import pytest
from django.test import Client
from playwright.sync_api import Browser, expect

from accounts.choices import Role
from core.clock import db_now
from scheduler.models import Worker, WorkerTail
from tests import make
from tests.moreh_cloud.test_admin_browser import chromium, log_in
from tests.rpc.conftest import connect, manager
from tests.rpc.log_site import SECRET, Connect, Site

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

    from tests.rpc.servers import Server

__all__ = ["chromium", "connect", "manager"]


def test_the_page_gets_the_end_then_what_follows_then_all(manager: "Server", connect: Connect, client: Client) -> None:
    client.force_login(make.operator(Role.READ_ONLY))
    site = Site(manager, connect, "gpu-01", "gpu-02")
    one = site.write("gpu-01", f"<b>{SECRET}</b>\n".encode())
    two = site.write("gpu-02", b"ended\n", running=False)
    page = f"/admin/console/jobs/{site.job.pk}/log"
    answer = client.get(page).json()
    assert answer == {
        "nodes": [{"id": one.pk, "title": "gpu-01 [0]"}, {"id": two.pk, "title": "gpu-02 [0]"}],
        "all": True,
        "pieces": [
            {"id": one.pk, "title": "gpu-01 [0]", "text": "<b>***</b>\n", "next": 51, "live": True, "more": False,
             "away": False, "note": ""},
            {"id": two.pk, "title": "gpu-02 [0]", "text": "ended\n", "next": 6, "live": False, "more": False,
             "away": False, "note": ""},
        ],
        "note": "",
    }  # fmt: skip
    site.write("gpu-01", f"<b>{SECRET}</b>\nmore\n".encode())
    [piece] = client.get(page, {"from": f"{one.pk}:51,x:y,-3:9"}).json()["pieces"]
    assert (piece["text"], piece["next"]) == ("more\n", 56)
    assert [piece["id"] for piece in client.get(page, {"worker": two.pk}).json()["pieces"]] == [two.pk]
    assert client.get(page, {"list": ""}).json()["pieces"] == []
    answer = client.get(f"{page}.txt", {"worker": two.pk})
    assert b"".join(answer).decode() == f"==> gpu-02, worker {two.pk} <==\nended\n"


@pytest.mark.django_db
def test_the_page_says_why_there_is_no_output(client: Client) -> None:
    client.force_login(make.operator(Role.READ_ONLY))
    assert client.get("/admin/console/jobs/99/log").status_code == 404
    job = make.running_job(make.ready_backend(1))
    waiting = client.get(f"/admin/console/jobs/{make.job().pk}/log").json()
    assert (waiting["pieces"], waiting["note"]) == ([], "No worker of this job has started yet.")
    worker = Worker.objects.get(job=job)
    worker.backend.agent.__class__.objects.update(session=None)
    WorkerTail.objects.create(worker=worker, text="last\n", end=900, at=db_now())
    [piece] = client.get(f"/admin/console/jobs/{job.pk}/log", headers={"accept-language": "ko"}).json()["pieces"]
    assert (piece["text"], piece["next"], piece["away"]) == ("last\n", 900, True)
    assert piece["note"].startswith("노드가 연결되어 있지 않습니다. ")


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.only_sqlite
@pytest.mark.usefixtures("static_files", "own_watcher")
def test_an_operator_follows_the_output(
    chromium: Browser, live_server: "LiveServer", manager: "Server", connect: Connect
) -> None:
    make.operator(Role.GENERAL, username="kim")
    site = Site(manager, connect, "gpu-01", "gpu-02")
    worker = site.write("gpu-01", b"<img src=x onerror=alert(1)>\n\x1b[31mred\x1b[0m\n")
    site.write("gpu-02", b"two\n", running=False)
    page = log_in(chromium, live_server.url, "light")
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.goto(f"{live_server.url}/admin/scheduler/job/{site.job.pk}/change/")
    text = page.locator(f"#output-{worker.pk} pre")
    expect(text).to_have_text("<img src=x onerror=alert(1)>\nred\n")
    site.write("gpu-01", b"<img src=x onerror=alert(1)>\n\x1b[31mred\x1b[0m\nnews\n")
    expect(text).to_contain_text("news")
    page.get_by_label("Node", exact=True).select_option(label="gpu-02 [0]")
    expect(page.locator(".mc-output-parts pre")).to_have_text(["two\n"])
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_text().endswith("<==\ntwo\n")
    assert problems == []
