from functools import partial
from typing import Any, ClassVar

from rest_framework.request import Request

from accounts.api.entry import actor_of, writes
from accounts.models import Operator
from core.api.files import as_file, wants_file
from core.api.shapes import Showing
from core.api.views import NounView, WireView
from core.repeats import repeated
from events.actor import Actor
from idempotency.api.once import once
from idempotency.api.polling import unless_known


class Operators(WireView):
    """Base of the views for operators."""

    repeatable: ClassVar[bool] = True  # by Idempotency-Key; not where the answer is a secret that is kept nowhere
    only_rows: ClassVar[bool] = True  # make up the answers to GET; what else they are made of changes without a stamp

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate the caller, then add ETags and idempotency keys."""
        super().initial(request, *args, **kwargs)
        name = str(request.method).lower()
        handler = getattr(self, name, None)
        if handler is None or not isinstance(request.user, Operator):
            return
        if name in ("get", "head"):
            asker = f"writer: {writes(request.user)}, file: {wants_file(request)}"
            setattr(self, name, unless_known(as_file(self, handler), asker, only_rows=self.only_rows))
            return
        write = once(self, handler) if name == "post" and self.repeatable else handler
        setattr(self, name, lambda *args, **kwargs: repeated(partial(write, *args, **kwargs)))

    @property
    def actor(self) -> Actor:
        """Return the operator who calls, with the address."""
        return actor_of(self.request)

    @property
    def showing(self) -> Showing:
        """Return what the response shows: lists of tokens when it is about one object, or when requested."""
        asked = self.asked
        one = bool(asked.get("id") or asked.get("token")) or self.request.method != "GET"
        tokenlists = one or str(asked.get("expand", "")).lower() == "tokenlist"
        return Showing(masked=not writes(self.request.user), tokenlists=tokenlists)


class OperatorView(Operators, NounView):
    """A noun's view behind the door of operators."""
