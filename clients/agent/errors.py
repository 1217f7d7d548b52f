from collections.abc import Sequence


class JournalInUse(Exception):
    """Another agent works with this folder."""


class CommandFailed(Exception):
    """A command was not there, did not end in time, or failed; the text names it.

    `output` is what it printed, `printed` the same with what it printed as errors.
    """

    def __init__(self, text: str, output: str = "", printed: str = "") -> None:
        super().__init__(text)
        self.output = output
        self.printed = printed


class WorkerError(Exception):
    """A worker cannot be started, stopped or cleaned away; the text is for the operator."""


class DevicesUnreadable(Exception):
    """The tool that knows the devices failed."""


class PreflightFailed(WorkerError):
    """Some `devices` of a worker failed the health check before its start."""

    def __init__(self, text: str, devices: Sequence[int]) -> None:
        super().__init__(text)
        self.devices = devices
