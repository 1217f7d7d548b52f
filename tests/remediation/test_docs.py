"""The picture in the docs is the table of transitions."""

from pathlib import Path

import pytest

from remediation.choices import OVER, REPAIR_TRANSITIONS, RepairState

DOCS = Path(__file__).parents[2] / "docs/remediation.md"


@pytest.mark.only_sqlite
def test_the_docs_show_every_transition_and_no_other() -> None:
    shown = DOCS.read_text().partition("<!-- states -->\n")[2].partition("<!-- end -->")[0].split("```")[1]
    lines = [line.strip() for line in shown.splitlines()[2:]]
    assert lines == [
        "[*] --> QUARANTINED",
        *(f"{a} --> {b}" for a in RepairState for b in sorted(REPAIR_TRANSITIONS[a])),
        *(f"{state} --> [*]" for state in OVER),
    ]
