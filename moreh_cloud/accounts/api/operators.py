from moreh_cloud.accounts.api.entry import actor_of, writes
from moreh_cloud.events.actor import Actor
from moreh_cloud.lib.api.shapes import Showing
from moreh_cloud.lib.api.views import NounView, WireView


class Operators(WireView):
    """A view behind the door of operators."""

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
