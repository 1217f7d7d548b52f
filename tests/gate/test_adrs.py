"""Every decision has its number, a title, a status and a date, and stands in the list."""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "adr"
HEAD = re.compile(r"# ADR (\d+): (.+)\n\nStatus: (accepted|replaced by ADR \d+)\. Date: (\d{4}-\d\d-\d\d)\.\n\n")


def test_every_decision_has_a_header_and_a_line_in_the_list() -> None:
    heads = {file.name: HEAD.match(file.read_text()) for file in sorted(FOLDER.glob("0*.md"))}
    assert [name for name, head in heads.items() if head is None] == []
    lines = [f"| [{head[1]}]({name}) | {head[2]} |" for name, head in heads.items() if head]
    listed = [line for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("| [")]
    assert listed == lines
    assert [int(name[:4]) for name in heads] == [int(head[1]) for head in heads.values() if head]
