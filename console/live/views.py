"""The pulse as a stream of server-sent events, and as JSON for pages that cannot keep a stream."""

import json
import time
from collections.abc import Iterator

from django.conf import settings
from django.db import connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse

from console.live.topics import read_pulse
from console.live.watcher import Watcher

BEAT_S = 5.0  # a page that gets nothing for longer treats its stream as dead
LONGEST_S = 600.0  # then the page connects again, and its session is checked again
watcher = Watcher(read_pulse, settings.MOREH_LIVE_STREAMS)


def stream(_request: HttpRequest) -> HttpResponseBase:
    """Return a stream of the pulse: at once, at every change, and every five seconds; 503 with too many streams."""
    frames = _frames()
    if not next(frames):
        return HttpResponse(status=503, headers={"Retry-After": "30"})
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(frames, content_type="text/event-stream", headers=headers)


def pulse(_request: HttpRequest) -> JsonResponse:
    """Return the pulse as JSON."""
    return JsonResponse(dict(read_pulse()), headers={"Cache-Control": "no-cache"})


def _frames() -> Iterator[bytes]:
    """Yield first whether the stream is accepted (an empty frame means no), then the frames."""
    with watcher.subscribed() as accepted:
        yield b"accepted" if accepted else b""
        connections.close_all()  # a stream lasts for minutes and does not use the database itself
        end, number = time.monotonic() + LONGEST_S, 0
        while accepted and time.monotonic() < end:
            latest = watcher.wait_after(number, BEAT_S)
            if latest is None:
                return
            number, now = latest
            yield b"event: pulse\nretry: 2000\ndata: " + json.dumps(dict(now)).encode() + b"\n\n"
