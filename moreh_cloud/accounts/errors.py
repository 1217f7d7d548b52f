from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.errors import Conflict, NotFound


class LastMaster(Conflict):
    message = _("One active Master must remain.")


class AlreadyVerified(Conflict):
    message = _("The e-mail address is verified already.")


class LinkEnded(NotFound):
    message = _("This link has ended or was used before.")
