"""The pulse as a stream of server-sent events, and as plain JSON for who cannot keep a stream."""

import json
import time
from collections.abc import Iterator

from django.conf import settings
from django.db import connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse

from moreh_cloud.console.live.topics import read_pulse
from moreh_cloud.console.live.watcher import Watcher

BEAT_S = 5.0  # a page that hears nothing for longer knows that its stream is dead
LONGEST_S = 600.0  # then the page connects again, and whether it may is looked at again
watcher = Watcher(read_pulse, settings.MOREH_LIVE_STREAMS)


def stream(_request: HttpRequest) -> HttpResponseBase:
    """Tell the pulse at once, at every change, and every five seconds; 503 when the process has no room."""
    frames = _frames()
    if not next(frames):
        return HttpResponse(status=503, headers={"Retry-After": "30"})
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(frames, content_type="text/event-stream", headers=headers)


def pulse(_request: HttpRequest) -> JsonResponse:
    """Give the pulse once."""
    return JsonResponse(dict(read_pulse()), headers={"Cache-Control": "no-cache"})


def _frames() -> Iterator[bytes]:
    """Give first whether there is room (an empty frame means no), then the frames."""
    with watcher.subscribed() as room:
        yield b"room" if room else b""
        connections.close_all()  # a stream lives for minutes and reads nothing by itself
        end, number = time.monotonic() + LONGEST_S, 0
        while room and time.monotonic() < end:
            told = watcher.after(number, BEAT_S)
            if told is None:
                return
            number, now = told
            yield b"event: pulse\nretry: 2000\ndata: " + json.dumps(dict(now)).encode() + b"\n\n"
