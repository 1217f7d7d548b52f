"""The parameters of the what-if page, and messages about those that are wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from backends.choices import DEFAULT_GROUP, MAX_DEVICES
from console.queries import whatif as reads
from console.queries.jobs import groups
from core.clock import db_now
from core.numbers import MAX_ID, whole
from core.times import read_time
from scheduler.estimates.what_if import ProposedChange
from scheduler.policy.snapshot import Policy
from tokens.choices import MAX_PRIORITY, MIN_PRIORITY

LONGEST = 3_000  # characters in a list of nodes; two lists fit into a request line
MOST_NODES = 1_000  # that may be added
MOST_GROUPS = 4  # whose queues one page evaluates


@dataclass(slots=True)
class WhatIfParams:
    """The parsed query string: the change, its nodes by name, and messages about what is wrong with it."""

    group: int
    groups: dict[int, str]
    given: dict[str, str]
    change: ProposedChange = field(default_factory=ProposedChange)
    drain: Sequence[reads.Node] = ()
    move: Sequence[reads.Node] = ()
    maintain: Sequence[reads.Node] = ()
    errors: list[str] = field(default_factory=list)

    @property
    def answerable(self) -> bool:
        """Whether there is a change, and nothing is wrong with it."""
        return bool(self.change.groups) and not self.errors


def read_params(query: QueryDict) -> WhatIfParams:
    """Parse the query string."""
    known = dict(groups())
    group = whole(query.get("group"), 0, MAX_ID)
    chosen = group if group in known else DEFAULT_GROUP
    params = WhatIfParams(chosen, known, {name: query.get(name, "").replace("\0", "").strip() for name in FIELDS})
    params.drain, params.move = _nodes(params, "drain"), _nodes(params, "move")
    params.maintain = _nodes(params, "maintain")
    window = _window(params) if params.maintain else None
    to = (
        _number(params, "to", 0, MAX_ID, lambda: _("Choose the group that the nodes move to.")) if params.move else None
    )
    params.change = ProposedChange(
        drain={node.pk: node.group for node in params.drain},
        maintain={node.pk: node.group for node in params.maintain} if window else {},
        window=window,
        move={node.pk: node.group for node in params.move if node.group != to},
        to=to or 0,
        group=chosen,
        add=_number(params, "add", 0, MOST_NODES, lambda: _("1 to %(most)s nodes may be added.") % {"most": MOST_NODES})
        or 0,
        size=whole(params.given["size"], 1, MAX_DEVICES) or DEFAULT_SIZE,
        policy=_policy(params.given["policy"]),
        jobs=_jobs(params),
        priority=whole(params.given["priority"], MIN_PRIORITY, MAX_PRIORITY) or 0,
    )
    _check(params, to)
    return params


LISTS = {
    "drain": _lazy("Drain nodes"),
    "maintain": _lazy("Maintenance of nodes"),
    "move": _lazy("Move nodes"),
}
FIELDS = ("drain", "maintain", "from", "until", "move", "to", "add", "size", "job", "priority", "policy")
DEFAULT_SIZE = 8


def _check(params: WhatIfParams, to: int | None) -> None:
    """Append messages about parameters that do not go together."""
    if params.move and to is not None and to not in params.groups:
        params.errors.append(_("Choose the group that the nodes move to."))
    if {node.pk for node in params.drain} & {node.pk for node in params.move}:
        params.errors.append(_("A node may be drained or moved, not both at once."))
    if {node.pk for node in params.maintain} & {node.pk for node in (*params.drain, *params.move)}:
        params.errors.append(_("A node in maintenance cannot be drained or moved as well."))
    if len(params.change.groups) > MOST_GROUPS:
        params.errors.append(_("At most %(most)s groups can be compared at once.") % {"most": MOST_GROUPS})


def _nodes(params: WhatIfParams, name: str) -> list[reads.Node]:
    if len(params.given[name]) > LONGEST:
        params.errors.append(
            _("%(field)s: at most %(most)s characters.") % {"field": LISTS[name], "most": f"{LONGEST:,}"}
        )
        return []
    words = reads.words_of(params.given[name])
    found = reads.nodes(words, params.group)
    if unknown := reads.unknown(words, found):
        params.errors.append(_("There is no such node in this group: %(names)s") % {"names": ", ".join(unknown[:5])})
    return found


def _window(params: WhatIfParams) -> tuple[datetime, datetime] | None:
    """Return when maintenance begins and ends; without a beginning it begins now. Wrong times append a message."""
    now = db_now()
    if not params.given["until"]:
        params.errors.append(_("Choose until when the maintenance lasts."))
        return None
    try:
        starts_at = read_time(params.given["from"]) if params.given["from"] else now
        ends_at = read_time(params.given["until"])
    except ValidationError as error:
        params.errors.append(_("Maintenance: %(problem)s") % {"problem": " ".join(error.messages)})
        return None
    if ends_at <= max(now, starts_at):
        params.errors.append(_("Maintenance must end later than it begins, and later than now."))
        return None
    return starts_at, ends_at


def _number(params: WhatIfParams, name: str, least: int, most: int, error: Callable[[], str]) -> int | None:
    """Return a number; None if it is absent. A wrong number appends a message."""
    number = whole(params.given[name], least, most)
    if number is None and (params.given[name] or name == "to"):
        params.errors.append(error())
    return number


def _policy(given: str) -> Policy | None:
    return Policy(given) if given in set(Policy) else None


def _jobs(params: WhatIfParams) -> dict[int, int]:
    """Return the job whose priority changes, with its group; nothing without a new priority."""
    if not params.given["job"] or not params.given["priority"]:
        return {}
    if whole(params.given["priority"], MIN_PRIORITY, MAX_PRIORITY) is None:
        params.errors.append(_("A priority is a whole number from -99 to 99."))
    job = whole(params.given["job"].removeprefix("#"), 1, MAX_ID)
    found = reads.waiting_groups(job) if job else {}
    if not found:
        params.errors.append(_("The job is no longer waiting."))
    return found
