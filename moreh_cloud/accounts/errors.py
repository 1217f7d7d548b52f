from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.errors import Conflict


class LastMaster(Conflict):
    message = _("One active Master must remain.")
