"""What the page of what-if is asked: read from its address, with what cannot be understood said in words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.http import QueryDict
from django.utils.translation import gettext as _

from backends.choices import DEFAULT_GROUP
from backends.models.nodes import MAX_DEVICES
from moreh_cloud.console.pages.asked import whole
from moreh_cloud.console.queries import whatif as reads
from moreh_cloud.console.queries.jobs import groups
from scheduler.policy.snapshot import Policy
from scheduler.queries import MAX_ID
from scheduler.whatif import Wish
from tokens.choices import MAX_PRIORITY, MIN_PRIORITY

LONGEST = 2_000  # characters of a list of nodes
MOST_NODES = 1_000  # that may be added
MOST_GROUPS = 4  # whose queues one answer looks at


@dataclass(slots=True)
class Asked:
    """A question, the nodes in it by name, and what is wrong with it."""

    group: int
    groups: dict[int, str]
    given: dict[str, str]
    wish: Wish = field(default_factory=Wish)
    drain: Sequence[reads.Node] = ()
    move: Sequence[reads.Node] = ()
    wrong: list[str] = field(default_factory=list)

    @property
    def answerable(self) -> bool:
        """Tell whether there is a question, and nothing is wrong with it."""
        return bool(self.wish.groups) and not self.wrong


def read_asked(query: QueryDict) -> Asked:
    """Read a question."""
    known = dict(groups())
    group = whole(query.get("group"), 0, MAX_ID)
    chosen = group if group in known else DEFAULT_GROUP
    asked = Asked(chosen, known, {name: query.get(name, "").replace("\0", "").strip() for name in FIELDS})
    asked.drain, asked.move = _nodes(asked, "drain"), _nodes(asked, "move")
    to = _number(asked, "to", 0, MAX_ID, lambda: _("Choose the group that the nodes move to.")) if asked.move else None
    asked.wish = Wish(
        drain={node.pk: node.group for node in asked.drain},
        move={node.pk: node.group for node in asked.move if node.group != to},
        to=to or 0,
        group=chosen,
        add=_number(asked, "add", 0, MOST_NODES, lambda: _("1 to %(most)s nodes may be added.") % {"most": MOST_NODES})
        or 0,
        size=whole(asked.given["size"], 1, MAX_DEVICES) or DEFAULT_SIZE,
        policy=_policy(asked.given["policy"]),
        jobs=_jobs(asked),
        priority=whole(asked.given["priority"], MIN_PRIORITY, MAX_PRIORITY) or 0,
    )
    _judge(asked, to)
    return asked


FIELDS = ("drain", "move", "to", "add", "size", "job", "priority", "policy")
DEFAULT_SIZE = 8


def _judge(asked: Asked, to: int | None) -> None:
    """Say what is wrong with the question as a whole."""
    if asked.move and to is not None and to not in asked.groups:
        asked.wrong.append(_("Choose the group that the nodes move to."))
    if {node.pk for node in asked.drain} & {node.pk for node in asked.move}:
        asked.wrong.append(_("A node may be drained or moved, not both at once."))
    if len(asked.wish.groups) > MOST_GROUPS:
        asked.wrong.append(_("One answer looks at no more than %(most)s groups.") % {"most": MOST_GROUPS})


def _nodes(asked: Asked, name: str) -> list[reads.Node]:
    words = asked.given[name][:LONGEST].replace(",", " ").split()
    found = reads.nodes(words, asked.group)
    if unknown := reads.unknown(words, found):
        asked.wrong.append(_("There is no such node: %(names)s") % {"names": ", ".join(unknown[:5])})
    return found


def _number(asked: Asked, name: str, least: int, most: int, says: Callable[[], str]) -> int | None:
    """Read a number that may be absent."""
    number = whole(asked.given[name], least, most)
    if number is None and (asked.given[name] or name == "to"):
        asked.wrong.append(says())
    return number


def _policy(given: str) -> Policy | None:
    return Policy(given) if given in set(Policy) else None


def _jobs(asked: Asked) -> dict[int, int]:
    """Give the job whose priority is asked about, with its group; without a priority nothing is asked of it."""
    if not asked.given["job"] or not asked.given["priority"]:
        return {}
    if whole(asked.given["priority"], MIN_PRIORITY, MAX_PRIORITY) is None:
        asked.wrong.append(_("A priority is a whole number from -99 to 99."))
    job = whole(asked.given["job"].removeprefix("#"), 1, MAX_ID)
    found = reads.waiting_groups(job) if job else {}
    if not found:
        asked.wrong.append(_("The job is no longer waiting."))
    return found
