"""The picture in ARCHITECTURE.md is that of the code, and every path that the page names exists."""

import re

import pytest

from tests.gate.picture import PAGE, ROOT, with_picture


def test_the_picture_is_fresh() -> None:
    assert with_picture(PAGE.read_text()) == PAGE.read_text(), "Stale: run `make picture`."


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_file_that_a_page_for_developers_names_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    named = set(re.findall(r"`((?:[\w-]+/)+[\w-]*(?:\.\w+)?)(?::\w+)?`", text)) | set(
        re.findall(r"\]\((?!http)([^)#]+)", text)
    )
    assert named, "no file named"
    places = (ROOT, ROOT / "backends", ROOT / "scheduler")  # `api/cards.py` means that of an app
    assert sorted(name for name in named if not any((place / name).exists() for place in places)) == []
