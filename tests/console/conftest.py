"""What browser tests of live pages share."""

from collections.abc import Iterator

import pytest


@pytest.fixture
def own_watcher(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the thread behind live pages end before its database is emptied."""
    # Named on the command line, a folder's conftest is read before there are settings.
    from console.live import views
    from console.live.topics import read_pulse
    from console.live.watcher import Watcher

    fresh = Watcher(read_pulse, 8)
    monkeypatch.setattr(views, "watcher", fresh)
    yield
    fresh.stop()
    if thread := fresh._thread:
        thread.join(10)
