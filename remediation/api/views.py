"""The views of REST."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import OperatorView
from core.api.filters import LatestFirst
from core.api.schema import reads, writes
from core.api.views import success
from remediation.api import serializers as shapes
from remediation.api.cards import repair_card, repair_cards
from remediation.models import Repair
from remediation.queries import repairs
from remediation.services import operators

VERBS: dict[str, Any] = {
    shapes.Command.TAKE_OVER: operators.take_over,
    shapes.Command.HAND_BACK: operators.hand_back,
    shapes.Command.HANDS: operators.need_hands,
    shapes.Command.VALIDATE: operators.validate,
}


@extend_schema(tags=["backend"])
class RepairView(OperatorView):
    """Repairs of nodes."""

    queryset = repairs()
    filterset_class = shapes.RepairFilter
    pagination_class = LatestFirst

    @reads(shapes.RepairSerializer)
    def list(self, _request: Request) -> Response:
        """List repairs with what they are about and every step, the newest first."""
        return self.listed(repair_cards(self.page(repairs())))

    @writes(shapes.NewRepair, shapes.RepairSerializer)
    def create(self, _request: Request) -> Response:
        """Open a repair of a node, or of some of its devices: they leave service and come back when validated."""
        return self._shown(operators.open_repair(**self.given(shapes.NewRepair), actor=self.actor))

    @writes(shapes.RepairCommand, shapes.RepairSerializer)
    def update(self, _request: Request) -> Response:
        """Take a repair over, hand it back, let it wait for a technician, have it validated, or return the node."""
        given = self.given(shapes.RepairCommand)
        repair, command = given["repair"], given["command"]
        if command == shapes.Command.RETURN:
            operators.bring_back(repair, reason=given["reason"], actor=self.actor)
        else:
            VERBS[command](repair, actor=self.actor)
        return self._shown(repair)

    def _shown(self, repair: Repair) -> Response:
        return success(repair_card(repairs().get(pk=repair.pk)))
