"""What can be refused, with codes of the wire."""

from django.utils.translation import gettext_lazy as _

from core.errors import Conflict


class NotEnded(Conflict):
    """Only what has ended can be sent again."""

    message = _("It is still under way.")


class NothingToSend(Conflict):
    """A delivery that was canceled, or whose channel is gone, is not sent again."""

    message = _("It was canceled, or its channel is deleted.")


class ChannelInUse(Conflict):
    """Something would be left without any channel; `rules` are its names."""

    message = _("Rules would be left without any channel.")
