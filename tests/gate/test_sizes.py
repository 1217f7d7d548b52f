"""A test file has one subject, so that it is found by its name: none has more than 300 lines."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
MOST_LINES = 300


@pytest.mark.only_sqlite
def test_no_test_file_has_more_than_300_lines() -> None:
    lines = {str(path.relative_to(TESTS)): len(path.read_text().splitlines()) for path in TESTS.rglob("*.py")}
    assert sorted(name for name, number in lines.items() if number > MOST_LINES) == []
