from typing import Any

from django.utils.decorators import method_decorator
from django.views.decorators.gzip import gzip_page


def compressed(page: type[Any]) -> type[Any]:
    """Compress the pages of an admin to about a tenth. Not for admins that show secret values."""
    for name in ("changelist_view", "change_view"):
        page = method_decorator(gzip_page, name=name)(page)
    return page
