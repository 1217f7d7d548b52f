class Refused(Exception):
    """`up` cannot start; the text says why and what to change."""


class Stopped(Exception):
    """Ctrl-C or SIGTERM."""


class PartDied(Exception):
    """A part ended by itself, or could not be prepared."""
