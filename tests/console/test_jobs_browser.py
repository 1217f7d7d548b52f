"""Jobs and timeline in Debian's chromium: move by mouse and keys, set a priority, undo, cancel, look around in bars."""

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.choices import Role
from scheduler.cycle.tick import tick
from scheduler.models import Job
from scheduler.services.jobs import set_job_priority
from tests import make
from tests.console.jobs_data import JOBS, TIMELINE, failed_job, past_job
from tests.moreh_cloud.test_admin_browser import chromium, log_in
from tests.transitions import unchecked

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

__all__ = ["chromium"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.django_db(transaction=True),
    pytest.mark.only_sqlite,  # what a browser makes of a page does not depend on the database that filled it
    pytest.mark.usefixtures("static_files", "own_watcher"),
]


def operator_at(browser: Browser, server: str, address: str) -> tuple[Page, list[str]]:
    make.operator(Role.GENERAL, username="kim")
    page = log_in(browser, server, "light")
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(server + address)
    return page, problems


def order(page: Page) -> list[int]:
    rows = page.locator("#jobs-queue tr[data-job]")
    return [int(rows.nth(n).get_attribute("data-job") or 0) for n in range(rows.count())]


def row(page: Page, job: Job) -> str:
    return f'#jobs-queue tr[data-job="{job.pk}"]'


def priorities(*jobs: Job) -> list[int]:
    return [Job.objects.get(pk=job.pk).priority for job in jobs]


def test_an_operator_orders_the_queue(chromium: Browser, live_server: "LiveServer") -> None:
    first, second, third = make.job(), make.job(), make.job()
    tick(0)
    page, problems = operator_at(chromium, live_server.url, JOBS)
    dialog, status = page.locator("#jobs-move"), page.locator("#jobs-status")

    page.drag_and_drop(
        f"{row(page, third)} .mc-grip", f"{row(page, first)} td:nth-child(3)", target_position={"x": 5, "y": 2}
    )
    expect(dialog).to_contain_text("Priority: 0 → 1.")
    expect(dialog).to_contain_text("Place in default_backend_group: 3 → 1 of 3.")
    expect(dialog.get_by_role("button", name="No, take me back")).to_be_focused()
    dialog.get_by_role("button", name="Change priority").click()
    expect(status).to_contain_text(f"Job #{third.pk}")
    expect(page.locator(f'{row(page, third)}[data-place="1"]')).to_be_visible(timeout=15_000)  # came by itself
    assert priorities(first, second, third) == [0, 0, 1]

    status.get_by_role("button", name="Undo").click()
    expect(status).to_contain_text("priority 1 → 0")
    assert priorities(third) == [0]
    expect(page.locator(f'{row(page, third)}[data-place="3"]')).to_be_visible(timeout=15_000)

    grip = page.locator(f"{row(page, second)} .mc-grip")
    grip.focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#jobs-moving")).to_contain_text("Place 1.")
    make.wait_for(lambda: order(page) == [second.pk, first.pk, third.pk])
    page.keyboard.press("Escape")
    make.wait_for(lambda: order(page) == [first.pk, second.pk, third.pk])
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("Priority: 0 → 1.")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    make.wait_for(lambda: order(page) == [first.pk, second.pk, third.pk])
    assert priorities(second) == [0]

    field = page.get_by_label(f"Priority of job #{second.pk}")
    field.fill("42")
    field.press("Enter")
    expect(dialog).to_contain_text("Priority: 0 → 42.")
    dialog.get_by_role("button", name="Change priority").click()
    expect(status).to_contain_text("priority 0 → 42")
    assert priorities(second) == [42]

    page.get_by_role("button", name=f"Cancel job #{first.pk}").click()
    confirmation = page.locator("#jobs-cancel")
    expect(confirmation).to_contain_text("It leaves the queue.")
    confirmation.get_by_role("button", name="Cancel job").click()
    expect(status).to_contain_text(f"Job #{first.pk} is canceled.")
    expect(page.locator(row(page, first))).to_have_count(0, timeout=15_000)
    assert Job.objects.get(pk=first.pk).status == "CANCELED"
    assert problems == []


def test_an_error_is_shown_at_its_row(chromium: Browser, live_server: "LiveServer") -> None:
    job = make.job()
    page, problems = operator_at(chromium, live_server.url, JOBS)
    field = page.get_by_label(f"Priority of job #{job.pk}")
    field.fill("3")  # from here on the table stays as it is
    with unchecked():
        Job.objects.filter(pk=job.pk).update(status="RUNNING", submitted_at=job.requested_at)
    field.press("Enter")
    expect(page.locator(f"{row(page, job)} [role=alert]")).to_have_text("The job is no longer waiting.")
    assert problems == []


def test_a_dialog_whose_facts_are_old_asks_again(chromium: Browser, live_server: "LiveServer") -> None:
    job, other = make.job(), make.job()
    page, problems = operator_at(chromium, live_server.url, JOBS)
    dialog, status, field = page.locator("#jobs-move"), page.locator("#jobs-status"), page.get_by_label("Priority of")
    field.nth(1).fill("7")
    field.nth(1).press("Enter")
    expect(dialog).to_contain_text("Priority: 0 → 7.")
    set_job_priority(other, -50, actor=make.ACTOR)
    dialog.get_by_role("button", name="Change priority").click()
    expect(dialog).to_contain_text("The queue has changed meanwhile. Please look again.")
    expect(dialog).to_contain_text("Priority: -50 → 7.")
    assert priorities(other) == [-50]
    dialog.get_by_role("button", name="Change priority").click()
    expect(status).to_contain_text("priority -50 → 7")
    set_job_priority(other, 33, actor=make.ACTOR)
    status.get_by_role("button", name="Undo").click()
    expect(page.locator(f"{row(page, other)} [role=alert]")).to_have_text("Its priority was changed meanwhile.")
    assert priorities(other) == [33]

    page.get_by_role("button", name=f"Cancel job #{job.pk}").click()
    confirmation = page.locator("#jobs-cancel")
    expect(confirmation).to_contain_text("It leaves the queue.")
    expect(confirmation.locator("[data-of=again]")).to_be_hidden()
    with unchecked():
        Job.objects.filter(pk=job.pk).update(status="RUNNING", submitted_at=job.requested_at)
    confirmation.get_by_role("button", name="Cancel job").click()
    expect(confirmation.locator("[data-of=again]")).to_be_visible()
    expect(confirmation.locator("[data-of=running]")).to_have_text(
        "Its program is stopped, and its devices (1) are cleaned."
    )
    expect(confirmation.locator("[data-of=waiting]")).to_be_hidden()
    assert Job.objects.get(pk=job.pk).status == "RUNNING"
    confirmation.get_by_role("button", name="Cancel job").click()
    expect(status).to_contain_text(f"Job #{job.pk} is canceled.")
    assert Job.objects.get(pk=job.pk).status == "CANCELED"
    assert problems == []


def test_actions_on_ticked_jobs_are_confirmed_in_the_admin(chromium: Browser, live_server: "LiveServer") -> None:
    first, second = make.job(), make.job()
    page, _problems = operator_at(chromium, live_server.url, JOBS)
    bulk = page.locator("#jobs-bulk")
    expect(bulk.get_by_role("button", name="Cancel…")).to_be_disabled()
    page.get_by_label(f"Job #{second.pk}", exact=True).check()
    expect(page.locator("#jobs-ticked")).to_have_text("Ticked: 1")
    bulk.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancel: 1 of 1.").wait_for()
    assert [Job.objects.get(pk=job.pk).status for job in (first, second)] == ["WAITING", "CANCELED"]
    page.goto(live_server.url + JOBS)
    page.get_by_role("button", name="Select all 1 that the filter finds").click()
    bulk.get_by_role("button", name="Cancel…").click()
    page.get_by_text("Cancel: 1 job").wait_for()
    page.get_by_text(f"#{first.pk}", exact=True).wait_for()


def test_bars_are_described_on_hovering_and_by_keys(chromium: Browser, live_server: "LiveServer") -> None:
    node, other = make.ready_backend(2, name="gpu-1"), make.ready_backend(2, name="gpu-2")
    one, two = past_job(node, minutes_ago=40, ran_s=600), failed_job(node, minutes_ago=10, ran_s=600)
    below = past_job(other, minutes_ago=12, ran_s=600)
    page, problems = operator_at(chromium, live_server.url, f"{TIMELINE}?range=1h")
    bars, tip = page.locator(".mc-bar"), page.locator(".mc-bar-tip")
    expect(bars).to_have_count(3)
    bars.nth(1).hover()
    expect(tip).to_contain_text(f"Job #{two.pk} · failed")
    for part in (two.token.description, "gpu-1/00"):
        expect(tip).to_contain_text(part)
    page.mouse.move(5, 5)
    expect(tip).to_be_hidden()

    bars.first.focus()
    expect(tip).to_contain_text(f"Job #{one.pk} · completed")
    for key, job in (("ArrowRight", two), ("ArrowDown", below), ("ArrowUp", two), ("ArrowLeft", one)):
        page.keyboard.press(key)
        expect(tip).to_contain_text(f"Job #{job.pk} ")
    assert page.locator(".mc-bar[tabindex='0']").count() == 1
    page.get_by_text("as a table").click()
    expect(page.locator("#timeline-table tbody tr")).to_have_count(3)
    bars.first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/admin/scheduler/job/{one.pk}/change/")
    assert problems == []
