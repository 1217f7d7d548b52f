from protocol.v1 import jobs_pb2 as pb


class CannotStart(Exception):
    """The command is not there (127) or may not be run (126), as shells say."""

    def __init__(self, command: str, error: OSError) -> None:
        super().__init__(f"{command}: {error.strerror}")
        self.exit_code = 127 if isinstance(error, FileNotFoundError) else 126


class JobRefused(Exception):
    """The server will not have this job; `code` is from its closed list."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class JobEnded(Exception):
    """The job was over before its devices were ready."""

    def __init__(self, ended: pb.Ended) -> None:
        super().__init__(ended.detail or ended.reason or ended.status)
        self.ended = ended
