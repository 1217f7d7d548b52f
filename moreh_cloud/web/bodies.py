"""Bodies in chunks, which have no length: Django reads nothing of a body whose length it is not told."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from moreh_cloud.web.arrival import MOST_BODY

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
LENGTH_REQUIRED = b"Send the body with a Content-Length.\n"


def with_length(application: Application) -> Application:
    """Return the application, which is told the length of each body; where it cannot be known the answer is 411."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "HTTP_TRANSFER_ENCODING" not in environ:
            return application(environ, start_response)
        # Only a server that has decoded the chunks says that its input ends; it has read them all by now.
        body = environ["wsgi.input"].read(MOST_BODY + 1) if environ.get("wsgi.input_terminated") else None
        if body is None:
            start_response("411 Length Required", [("Content-Type", "text/plain; charset=utf-8")])
            return [LENGTH_REQUIRED]
        return application(environ | {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}, start_response)

    return answer
