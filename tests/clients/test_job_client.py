"""One job's client against a manager on a real connection."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine

import grpc
import pytest

from clients.backoff import Backoff
from clients.channel import Server
from clients.run import DeviceRequest, JobClient, JobEnded, JobRefused
from protocol.v1 import jobs_pb2 as pb
from tests.clients.job_peer import RESUME_KEY, RUNNING, SUBMITTED, TOKEN, Manager, manager, rich

Story = Callable[[Manager, JobClient], Coroutine[None, None, None]]


def client(server: Server, token: str = TOKEN) -> JobClient:
    request = DeviceRequest(sda_id=3, pid=99, process_name="python", framework="pytorch 2.1", request_id="the-request")
    use = [pb.DeviceUse(host="node01", index=0, used_memory_mib=512, utilization_percent=50)]
    return JobClient(server, token, request, use=lambda: use, backoff=Backoff(first=0.02, longest=0.1))


async def _it_asks_waits_gets_devices_and_gives_them_back(served: Manager, job: JobClient) -> None:
    asked = (await served.hears("open")).open
    assert (asked.request_id, asked.sda_id, asked.pid, asked.process_name, asked.framework) == (
        "the-request",
        3,
        99,
        "python",
        "pytorch 2.1",
    )
    served.say(SUBMITTED)
    served.say(RUNNING)
    assert await job.ready() == RUNNING
    assert (await served.hears("heartbeat")).heartbeat.devices[0].used_memory_mib == 512
    assert (await job.finish(0)).status == "COMPLETED"
    assert (await served.hears("finished")).finished.exit_code == 0


async def _a_broken_stream_is_resumed_with_the_key(served: Manager, job: JobClient) -> None:
    await served.hears("open")
    served.say(RUNNING)
    await job.ready()
    served.drop()
    resumed = (await served.hears("resume")).resume
    assert (resumed.job_id, resumed.resume_key) == (42, RESUME_KEY)
    assert len([message for message in served.heard if message.HasField("open")]) == 1
    assert (await job.finish(0)).status == "COMPLETED"
    assert job.connections == 2


async def _an_outage_is_survived_and_the_end_is_told_after_it(served: Manager, job: JobClient) -> None:
    await served.hears("open")
    served.say(RUNNING)
    await job.ready()
    await served.close()
    telling = asyncio.create_task(job.finish(7))
    await asyncio.sleep(0.3)
    await served.open(served.port)
    assert (await telling).reason == "EXIT_CODE"
    assert (await served.hears("resume")).resume.resume_key == RESUME_KEY


async def _the_last_word_is_repeated_until_the_end_is_seen(served: Manager, job: JobClient) -> None:
    await served.hears("open")
    served.say(RUNNING)
    await job.ready()
    served.deaf = True
    telling = asyncio.create_task(job.finish(0))
    await served.hears("finished")
    served.deaf = False
    served.drop()
    assert (await telling).status == "COMPLETED"
    assert len([message for message in served.heard if message.HasField("finished")]) == 2


async def _a_stream_that_breaks_before_the_first_answer_asks_with_the_same_id(served: Manager, job: JobClient) -> None:
    served.refusal = rich(grpc.StatusCode.UNAVAILABLE, "DATABASE_ERROR", "Later.")
    await served.hears("open", times=3)
    served.refusal = None
    served.say(RUNNING)
    await job.ready()
    assert {message.open.request_id for message in served.heard if message.HasField("open")} == {"the-request"}


async def _old_and_repeated_updates_change_nothing(served: Manager, job: JobClient) -> None:
    await served.hears("open")
    served.say(SUBMITTED)
    old = served.current
    assert old is not None
    served.say(RUNNING)
    await job.ready()
    served.repeat(old)
    assert served.current is not None
    served.repeat(served.current)
    served.drop()
    await served.hears("resume")
    served.say(pb.Ended(status="FAILED", reason="NODE_LOST"))
    kinds = [update.WhichOneof("state") async for update in job.updates()]
    assert kinds == ["ended"]


async def _after_the_end_there_is_nothing_more(served: Manager, job: JobClient) -> None:
    await served.hears("open")
    served.say(pb.Ended(status="COMPLETED"))
    await asyncio.sleep(0.2)
    assert [update.WhichOneof("state") async for update in job.updates()] == ["waiting", "ended"]
    assert [update async for update in job.updates()] == []
    assert (await job.finish(0)).status == "COMPLETED"


async def _a_job_that_ends_while_it_waits_raises(served: Manager, job: JobClient) -> None:
    await served.hears("open")
    served.say(pb.Ended(status="CANCELED", reason="BY_OPERATOR", detail="maintenance"))
    with pytest.raises(JobEnded, match="maintenance"):
        await job.ready()


async def _a_refusal_carries_its_code(served: Manager, job: JobClient) -> None:
    served.refusal = rich(grpc.StatusCode.PERMISSION_DENIED, "MODEL_NOT_ALLOWED", "The token may not use this model.")
    with pytest.raises(JobRefused, match="may not use") as refused:
        await job.ready()
    assert refused.value.code == "MODEL_NOT_ALLOWED"


async def _an_abandoned_client_says_nothing_more(served: Manager, job: JobClient) -> None:
    await served.hears("open")
    served.say(RUNNING)
    await job.ready()
    job.abandon()
    await asyncio.sleep(0.1)
    heard = len(served.heard)
    await asyncio.sleep(0.2)
    assert len(served.heard) == heard
    assert not [message for message in served.heard if message.WhichOneof("message") in ("finished", "cancel")]


async def _leaving_the_block_early_cancels(served: Manager, job: JobClient) -> None:
    await served.hears("open")
    async with job:
        pass
    assert (await served.hears("cancel")).HasField("cancel")


STORIES: dict[str, Story] = {
    name.removeprefix("_").replace("_", " "): story
    for name, story in list(globals().items())
    if name.startswith("_") and inspect.iscoroutinefunction(story)
}


@pytest.mark.parametrize("story", STORIES)
def test_job_client(story: str) -> None:
    async def tell() -> None:
        async with manager() as (served, server):
            job = client(server)
            job.start()
            try:
                await STORIES[story](served, job)
            finally:
                job.abandon()

    asyncio.run(tell())


def test_a_wrong_token_is_refused_at_once() -> None:
    async def tell() -> None:
        async with manager() as (served, server):
            with pytest.raises(JobRefused) as refused:
                async with client(server, "wrong") as job:
                    await job.ready()
            assert refused.value.code == "UNAUTHENTICATED"
            assert served.heard == []

    asyncio.run(tell())


def test_a_server_that_is_not_there_is_given_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.run.client.OPENING_TIMEOUT", 0.3)

    async def tell() -> None:
        job = client(Server("127.0.0.1:1"))
        job.start()
        with pytest.raises(JobRefused, match=r"127\.0\.0\.1:1 cannot be reached") as refused:
            await job.ready()
        assert refused.value.code == "UNAVAILABLE"

    asyncio.run(tell())


def test_waits_grow_are_spread_and_start_again() -> None:
    waits = Backoff(first=1, longest=8, draw=lambda _low, high: high)
    assert [waits.next() for _ in range(5)] == [1, 2, 4, 8, 8]
    waits.reset()
    assert waits.next() == 1
    spread = Backoff(first=8, longest=8)
    drawn = [spread.next() for _ in range(200)]
    assert all(2 <= wait <= 8 for wait in drawn)
    assert len(set(drawn)) > 100
