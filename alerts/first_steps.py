"""What to do first about an alert, by category. docs/alerts.md says more."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from alerts.choices import Category
from core.errors import Message

FIRST_STEPS: Mapping[Category, Message] = {
    Category.GPU_ERROR: _(
        "Open the node's page and look at the devices that are out of service. Read the agent's log on the node, repair"
        " what it names, and run the health check."
    ),
    Category.GPU_SHORTAGE: _(
        "Bring devices of the group back into service, or move nodes into it. If the job asks for more than the group"
        " has, talk to the customer."
    ),
    Category.GPU_TEMPERATURE: _(
        "Check fans, air flow and the temperature of the room. Drain the node if it gets hotter: at about 100 °C GPUs"
        " slow down or switch off."
    ),
    Category.DEVICE_HEALTH: _(
        "Read the findings on the node's page. Open a repair of the devices, or clear the verdict if you know the"
        " cause."
    ),
    Category.JOB_ERROR: _(
        "Open the job and read its reason. If jobs of many customers fail on one node, take the node out of service."
    ),
    Category.NODE_SILENT: _("Check the network of the node and whether its agent runs."),
    Category.NODE_LOST: _(
        "Look at the node's power state and console. Start it or its agent; it comes back into service by itself when"
        " the agent reports."
    ),
    Category.NODE_CLAIMED_TWICE: _(
        "Find the machine with this address: it uses the key of this node. Stop its agent, and enrol it with a key of"
        " its own."
    ),
    Category.BMC_UNREACHABLE: _(
        "Check the address, the login and the network of the BMC. Until it answers, the node's power cannot be"
        " switched."
    ),
    Category.BMC_WEAK: _(
        "Switch off access without a password on the BMC (cipher suite 0, anonymous access), and probe it again."
    ),
    Category.BMC_SENSOR: _("Read the sensors and the event log on the node's page, and repair what they name."),
    Category.POWER_UNKNOWN: _(
        "Read the node's power state and look at its console before you repeat the action. Acknowledge the alert when"
        " you have decided."
    ),
    Category.REPAIR_EXHAUSTED: _(
        'Read the steps of the repair, repair the node by hand, and choose "Repaired, validate".'
    ),
    Category.REPAIR_BREAKER: _(
        "Look for a common cause of the repairs of this group, like power, cooling or a new driver, before you allow"
        " more at once."
    ),
    Category.BUDGET_NEAR: _("Tell the customer, or raise the budget."),
    Category.BUDGET_SPENT: _("Talk to the customer, and raise the budget if new jobs are to start."),
    Category.STATEMENT_FAILED: _("Correct what the text names, and make the statements of this month again."),
    Category.INCONSISTENCY: _(
        "If it was repaired, acknowledge it. If it comes again, or was not repaired, report it with the event that"
        " names it."
    ),
    Category.DELIVERY_FAILED: _("Check the address and the secret of the channel, and send a test message."),
    Category.NO_BEAT: _(
        "Look at the list of processes in the console and at the log of the beat process, and start it again."
    ),
    Category.QUEUE_STALLED: _(
        "Check that workers run and that the broker answers. Read the workers' logs for errors of this group."
    ),
    Category.DISK_FULL: _("Free space on the disk that the text names, or make it larger, before the database stops."),
    Category.CERTIFICATE_EXPIRES: _("Renew the certificate that the text names, and restart what uses it."),
    Category.AGENT_OLD: _("Install the current agent on the node, and restart it."),
    Category.CLOCK_SKEW: _("Check time synchronization (NTP) on the node."),
}
