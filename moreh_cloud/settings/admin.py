"""The admin's looks."""

from django.utils.translation import gettext_lazy as _

UNFOLD = {
    "SITE_TITLE": "Moreh Cloud",
    "SITE_HEADER": "Moreh Cloud",
    "SITE_SUBHEADER": _("GPU cloud control plane"),
    "SITE_SYMBOL": "memory",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
}
