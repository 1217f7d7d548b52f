"""Queries of the what-if page: the nodes that its words name, and the names of the jobs that it lists."""

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from backends.models import Backend
from scheduler.models import WAITING, Job

ALL = "*"


QUOTED = '"'
WORD = re.compile(r'"(?:[^"]|"")*"|[^\s,]+')


class Node(NamedTuple):
    """A node with its group."""

    pk: int
    name: str
    group: int


class JobName(NamedTuple):
    """Customer and process of a job."""

    customer: str
    process: str


class NodeWord(NamedTuple):
    """A name of a node, or how the names of nodes begin."""

    text: str
    begins: bool

    def names(self, name: str) -> bool:
        """Whether it names this node; what a database finds by a prefix may differ in case."""
        return name.startswith(self.text) if self.begins else name == self.text

    def __str__(self) -> str:
        return f"{self.text}{ALL}" if self.begins else self.text


def words_of(text: str) -> list[NodeWord]:
    """Return the words of a list of nodes, between blanks or commas; quotation marks hold a name together."""
    return list(dict.fromkeys(_word(found) for found in WORD.findall(text)))


def as_word(name: str) -> str:
    """Write the name of a node so that `words_of` reads it as one name."""
    plain = name and not name.endswith(ALL) and QUOTED not in name and WORD.fullmatch(name)
    return name if plain else QUOTED + name.replace(QUOTED, 2 * QUOTED) + QUOTED


def nodes(words: Collection[NodeWord], group: int) -> list[Node]:
    """Return nodes of a group by name: `gpu-*` names all that begin with `gpu-`, `*` names all."""
    if not words:
        return []
    exact, begins = {word.text for word in words if not word.begins}, [word for word in words if word.begins]
    found = Backend.objects.live().filter(group=group)
    rows = (found if begins else found.filter(name__in=exact)).order_by("name").values_list("pk", "name", "group_id")
    return [Node(*row) for row in rows if row[1] in exact or any(word.names(row[1]) for word in begins)]


def unknown(words: Collection[NodeWord], found: Collection[Node]) -> list[str]:
    """Return the words that name no node."""
    names = {node.name for node in found}
    return [str(word) for word in words if not (word.begins and any(map(word.names, names))) and word.text not in names]


def waiting_groups(job: int) -> dict[int, int]:
    """Return a job with its group if it waits; otherwise nothing."""
    return dict(Job.objects.filter(WAITING, pk=job).values_list("pk", "group_id"))


def job_names(jobs: Collection[int]) -> Mapping[int, JobName]:
    """Return the names of some jobs, in one query."""
    rows = Job.objects.filter(pk__in=jobs).values_list("pk", "token__description", "process_name")
    return {pk: JobName(customer, process) for pk, customer, process in rows}


def _word(text: str) -> NodeWord:
    if len(text) > 1 and text[0] == text[-1] == QUOTED:
        return NodeWord(text[1:-1].replace(2 * QUOTED, QUOTED), begins=False)
    return NodeWord(text.removesuffix(ALL), begins=text.endswith(ALL))
