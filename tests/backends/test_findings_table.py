"""The table of findings: it has every code of the wire, and docs/health.md shows it."""

from pathlib import Path

import pytest

from backends.health.findings import FINDINGS, REPORTED, Source, key_of
from protocol.v1 import agents_pb2 as pb

pytestmark = pytest.mark.only_sqlite
DOCS = Path(__file__).parents[2] / "docs/health.md"


def test_the_table_has_every_code_of_the_wire() -> None:
    wire = set(pb.HealthFact.Code.keys()) - {"UNSPECIFIED"}
    assert wire == REPORTED
    server = {code for code, kind in FINDINGS.items() if kind.source is Source.SERVER}
    assert server == {"SILENT", "FROZEN", "JOB_FAILURES", "VANISHED", "NOT_CLEANED", "CHECK_FAILED"}
    assert (key_of("XID", 79), key_of("XID", 5), key_of("LINK_ERRORS", 3)) == ("XID_79", "XID", "LINK_ERRORS")


def test_the_docs_show_the_table() -> None:
    shown = DOCS.read_text().partition("<!-- findings -->\n")[2].partition("<!-- end -->")[0].splitlines()[2:]
    names = {code: f"`{code.replace('_', ' ')}`" for code in FINDINGS if code.startswith("XID_")}
    assert shown == [
        f"| {names.get(code, f'`{code}`' + ', any other' * (code == 'XID'))} | {kind.source} | {kind.level.label} "
        f"| {kind.verdict.label} | {kind.meaning} |"
        for code, kind in FINDINGS.items()
    ]
