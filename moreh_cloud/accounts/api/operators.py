from typing import Any, ClassVar

from rest_framework.request import Request

from moreh_cloud.accounts.api.entry import actor_of, writes
from moreh_cloud.accounts.models import Operator
from moreh_cloud.answers.api.once import once
from moreh_cloud.answers.api.polling import unless_known
from moreh_cloud.events.actor import Actor
from moreh_cloud.lib.api.files import as_file, wants_file
from moreh_cloud.lib.api.shapes import Showing
from moreh_cloud.lib.api.views import NounView, WireView


class Operators(WireView):
    """A view behind the door of operators."""

    post: Any
    repeatable: ClassVar[bool] = True  # by Idempotency-Key; not where the answer is a secret that is kept nowhere

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the caller in; then asking again costs little, and does nothing twice."""
        super().initial(request, *args, **kwargs)
        name = str(request.method).lower()
        handler = getattr(self, name, None)
        if handler is None or not isinstance(request.user, Operator):
            return
        if name in ("get", "head"):
            asker = f"writer: {writes(request.user)}, file: {wants_file(request)}"
            setattr(self, name, unless_known(as_file(self, handler), asker))
        elif name == "post" and self.repeatable:
            self.post = once(self, handler)

    @property
    def actor(self) -> Actor:
        return actor_of(self.request)

    @property
    def showing(self) -> Showing:
        """Show lists of tokens when the answer is about one object, or when asked for."""
        asked = self.asked
        one = bool(asked.get("id") or asked.get("token")) or self.request.method != "GET"
        tokenlists = one or str(asked.get("expand", "")).lower() == "tokenlist"
        return Showing(masked=not writes(self.request.user), tokenlists=tokenlists)


class OperatorView(Operators, NounView):
    """A noun's view behind the door of operators."""
