"""moreh-run --dry-run: what it says of each answer, and its exit codes."""

import asyncio
import sys

import pytest

from clients.run.check import lines
from protocol.v1 import jobs_pb2 as pb
from tests.clients.job_peer import manager
from tests.clients.run_process import end_of, run

WAITS = pb.Waiting(place=3, needed=16, available=9, reason="NOT_ENOUGH_DEVICES")
AT = pb.Waiting(place=2, needed=1, available=0, blocker_job_id=7, estimated_start_ms=1_800_000_000_000)
SAID = {
    "it starts": (pb.CheckResponse(starts=True, device_count=4), ["it would start at once on 4 devices"]),
    "nobody knows when": (
        pb.CheckResponse(device_count=16, waiting=WAITS),
        [
            "it would be waiting: place 3, needs 16 devices, 9 free, NOT_ENOUGH_DEVICES",
            "when it would start is not known",
        ],
    ),
    "when, and what would help": (
        pb.CheckResponse(
            waiting=AT, remedies=[pb.Remedy(change="priority", value=5), pb.Remedy(change="nodes", value=2)]
        ),
        [
            "it would be waiting: place 2, needs 1 devices, 0 free, behind job 7, "
            "expected to start about 2027-01-15 08:00:00 UTC",
            "it would start at once with priority 5 or with 2 more nodes",
        ],
    ),
}


async def dry_run(told: pb.CheckResponse | None) -> tuple[int, str, list[str]]:
    """Run it against a server that tells this, or that does not know the token."""
    async with manager() as (served, _):
        served.told = told
        process = await run(served.port, sys.executable, "-c", "print('ran')", options=("--dry-run",))
        ended = await end_of(process)
        assert served.heard == []
        return ended


@pytest.mark.parametrize("case", SAID)
def test_what_it_says(case: str) -> None:
    told, wanted = SAID[case]
    assert lines(told) == wanted


@pytest.mark.slow
@pytest.mark.parametrize(("case", "code"), [("it starts", 0), ("nobody knows when", 75)])
def test_nothing_is_asked_for_and_nothing_runs(case: str, code: int) -> None:
    assert asyncio.run(dry_run(SAID[case][0])) == (code, "", [f"moreh-run: {line}" for line in SAID[case][1]])


@pytest.mark.slow
def test_a_server_that_refuses_is_told() -> None:
    code, _output, said = asyncio.run(dry_run(None))
    assert (code, said) == (125, ["moreh-run: No such token. (UNAUTHENTICATED)"])
