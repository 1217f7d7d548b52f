"""What can be refused, with codes of the wire."""

from django.utils.translation import gettext_lazy as _

from core.errors import Conflict


class RepairOver(Conflict):
    """The repair is over."""

    message = _("This repair is over.")


class RepairOpen(Conflict):
    """The node has an open repair already."""

    message = _("This node is under repair already.")


class NotTakenOver(Conflict):
    """Only an operator who has taken a repair over can do this."""

    message = _("Take the repair over first.")


class NotWaiting(Conflict):
    """The repair does not wait for a person."""

    message = _("This repair does not wait for a technician, and nobody has taken it over.")
