"""The page of a bulk action: how far it is, its report, and who may stop it."""

from typing import Any

import pytest
from django.test import Client

from accounts.choices import Role
from bulk import work
from bulk.models import BulkAction, BulkItem
from tests import make
from tests.admin_world import address, client_of
from tests.bulk.running import bulk_of, nodes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("patient")]


@pytest.mark.usefixtures("static_files")
class TestPage:
    def browser(self, role: Role = Role.GENERAL) -> Client:
        return client_of(role)

    def test_it_shows_how_far_it_is_and_what_became_of_each_item(self) -> None:
        busy, free = make.ready_backend(1), make.backend(0)
        make.running_job(busy)
        bulk = bulk_of([busy, free], "power_off", force=[])
        page = address(BulkAction, "change", bulk.pk)
        shown = self.browser().get(page).content.decode()
        assert "0 of 2" in shown
        assert 'data-live="bulk"' in shown
        work.carry_on(bulk.pk)
        shown = self.browser().get(page).content.decode()
        assert "2 of 2" in shown
        assert "1 refused" in shown
        assert "Jobs or reservations still hold devices of this backend." in shown
        assert 'data-live="bulk"' not in shown
        only = self.browser().get(page + "?only=FAILED").content.decode()
        assert busy.name in only
        assert free.name not in only

    def test_it_speaks_korean(self) -> None:
        bulk = bulk_of(nodes(1), "shut_down")
        work.carry_on(bulk.pk)
        shown = self.browser().get(address(BulkAction, "change", bulk.pk), headers={"accept-language": "ko"})
        assert "1개 중 1개" in shown.content.decode()

    def test_whoever_may_change_the_rows_may_stop_it(self) -> None:
        bulk = bulk_of(nodes())
        page = address(BulkAction, "change", bulk.pk).replace("change/", "stop/")
        assert self.browser(Role.READ_ONLY).post(page, {"agreed": "1"}).status_code == 403
        answer = self.browser().post(page, {"agreed": "1"})
        assert answer.headers["Location"] == address(BulkAction, "change", bulk.pk)
        shown = self.browser().get(answer.headers["Location"]).content.decode()
        assert "Stopped: somebody stopped it. The rest, 4, is not done." in shown
        about_masters = bulk_of([make.operator()], "unlock", noun="accounts.Operator")
        page = address(BulkAction, "change", about_masters.pk).replace("change/", "stop/")
        assert self.browser().post(page, {"agreed": "1"}).status_code == 403

    def test_a_long_report_is_shown_in_pages_at_the_same_cost(self, django_assert_num_queries: Any) -> None:
        for number in (3, 250):
            bulk = bulk_of(nodes(number) if number == 3 else nodes(3))
            BulkItem.objects.bulk_create(
                BulkItem(bulk=bulk, object_pk=f"x{i}", name=f"row {i}", message={}) for i in range(number - 3)
            )
            BulkAction.objects.filter(pk=bulk.pk).update(total=number)
            browser = self.browser()
            with django_assert_num_queries(5):
                browser.get(address(BulkAction, "change", bulk.pk) + "?p=1")
        shown = browser.get(address(BulkAction, "change", bulk.pk) + "?p=3").content.decode()
        assert "row 246" in shown
        assert "3 / 3" in shown
