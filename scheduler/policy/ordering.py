from scheduler.policy.snapshot import Request


def queue_order(request: Request) -> tuple[int, int, int]:
    """Sort key of a queue: priority 99 first, then request time; the id makes ties repeatable."""
    return (-request.priority, request.requested_ms, request.id)
