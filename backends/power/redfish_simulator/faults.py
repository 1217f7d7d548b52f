"""The faults that a simulated Redfish BMC can have."""

from dataclasses import dataclass


@dataclass
class RedfishFaults:
    """The faults of a BMC; they may change at any moment."""

    black_hole: bool = False  # TLS, and then silence
    silent_at: str = ""  # "login" or "system": half an answer, and then silence
    late: float = 0.0  # seconds before each answer
    lost_replies: int = 0  # how many answers to resets are not sent, though the reset is executed
    breaks: bool = False  # executes a reset and closes the connection
    ignores_commands: bool = False  # answers, but executes nothing
    sessions_full: bool = False
    session_seconds: float = 1800.0  # after which an idle session ends
    busy: bool = False
    times_out: bool = False  # executes, but answers with 504
    garbage: bool = False
    no_json: bool = False
    trickles: bool = False  # answers byte by byte
    endless: bool = False  # answers without end
    weak_auth: bool = False  # shows its systems without a login
    action_info: bool = False  # names its reset types there, and not in the action
    lacks: str = ""  # a reset type that it does not offer
    redirects: bool = False  # answers a reset with a redirect to the same place
    modern: bool = False  # lists its sensors one by one
    newest_first: bool = False  # the order of its log
    restless: bool = False  # the entries of its log have another time whenever they are read
    task: str = ""  # "short", "endless" or "fails": a reset is a task
