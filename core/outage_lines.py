"""Log lines about what is tried over and over: one when it begins to fail, one when it works again."""

from threading import Lock

import structlog

log = structlog.get_logger(__name__)


class OutageLine:
    """What is tried at every tick, page or request of this process, and the names of its two lines."""

    def __init__(self, failed: str, works: str) -> None:
        self._failed, self._works = failed, works
        self._well, self._lock = True, Lock()

    def failed(self, error: Exception, **about: object) -> None:
        """Note that it failed; logged if it worked the time before."""
        if self._turned(well=False):
            log.warning(self._failed, error=type(error).__name__, **about)

    def works(self, **about: object) -> None:
        """Note that it worked; logged if it failed the time before."""
        if not self._well and self._turned(well=True):
            log.warning(self._works, **about)

    def _turned(self, *, well: bool) -> bool:
        with self._lock:
            before, self._well = self._well, well
        return before != well
