"""Pages by the number of the last row seen: the millionth page of a growing table costs what the first does."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList

from core.numbers import whole

OLDER, NEWER = "before", "after"


class KeysetPaginator(InfinitePaginator):
    """Pages of a list that begin after a key instead of at an offset."""

    template_name = "admin/keyset.html"


class KeysetList(ChangeList):
    """A list in the order of its numbers, the newest first; `older` and `newer` lead to the pages beside it."""

    older = newer = newest = ""

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        """Leave out what says which page it is."""
        given: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in given.items() if name not in (OLDER, NEWER)}

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, and one row more that tells whether there is another."""
        rows, before, after = self.queryset, whole(request.GET.get(OLDER)), whole(request.GET.get(NEWER))
        found = self._page(rows.filter(pk__gt=after).order_by("pk"))[::-1] if after else []
        if not found:
            found = self._page((rows.filter(pk__lt=before) if before else rows).order_by("-pk"))
            more = len(found) > self.list_per_page
            found = found[: self.list_per_page]
            self._lead(found, older=more, newer=bool(before))
        else:
            more = len(found) > self.list_per_page
            found = found[-self.list_per_page :]
            self._lead(found, older=True, newer=more)
        self.result_list, self.result_count = found, len(found)
        self.full_result_count, self.show_full_result_count = len(found), False  # nothing is counted
        self.can_show_all = self.multi_page = self.show_admin_actions = False
        self.paginator = KeysetPaginator(found, self.list_per_page)

    def _page(self, rows: QuerySet[Any]) -> list[Any]:
        return list(rows[: self.list_per_page + 1])

    def _lead(self, rows: list[Any], *, older: bool, newer: bool) -> None:
        if newer:
            self.newest = self.get_query_string(remove=[OLDER, NEWER])
        if rows and newer:
            self.newer = self.get_query_string({NEWER: rows[0].pk}, [OLDER])
        if rows and older:
            self.older = self.get_query_string({OLDER: rows[-1].pk}, [NEWER])
