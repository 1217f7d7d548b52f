"""The views of SDAs in REST."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import OperatorView
from core.api.schema import reads, writes
from core.api.views import success
from core.errors import NotFound
from scheduler.choices import JobStatus
from scheduler.queries.jobs import jobs
from scheduler.services import sdas as services
from sda.api import cards
from sda.api import serializers as shapes
from sda.api.filters import SdaFilter, UtilizationFilter
from sda.api.utilizations import utilization_cards
from sda.models import Sda
from sda.queries import get_sda, live_sdas


@extend_schema(tags=["sda"])
class SdaView(OperatorView):
    """SDAs."""

    queryset = live_sdas()
    filterset_class = SdaFilter

    @reads(shapes.SDASerializer)
    def list(self, _request: Request) -> Response:
        """List SDAs with the devices that they hold now."""
        return self.listed(cards.sda_cards(self.page(live_sdas()), self.showing))

    @writes(shapes.NewSda, shapes.SDASerializer)
    def create(self, _request: Request) -> Response:
        """Create an SDA of a token; a reserved one gets its devices at once."""
        return self._answer(services.create_sda(**self.given(shapes.NewSda), actor=self.actor))

    @writes(shapes.SdaChange, shapes.SDASerializer)
    def update(self, _request: Request) -> Response:
        """Switch an idle SDA to another model."""
        given = self.given(shapes.SdaChange)
        sda = get_sda(given["token"], given.get("sda_id"))
        return self._answer(services.switch_model(sda, given["model"], group=given.get("group"), actor=self.actor))

    @writes(shapes.SdaOfToken)
    def destroy(self, _request: Request) -> Response:
        """Delete one SDA of a token, or all of them."""
        given = self.given(shapes.SdaOfToken)
        with transaction.atomic():
            owned = live_sdas(given["token"])
            chosen = list(owned.filter(pk=given["sda_id"]) if "sda_id" in given else owned)
            if not chosen:
                raise NotFound(sdaId=given.get("sda_id", "all"))
            for sda in chosen:
                services.delete_sda(sda, actor=self.actor, force=given["force"])
        return success()

    def _answer(self, sda: Sda) -> Response:
        (card,) = cards.sda_cards(live_sdas().filter(pk=sda.pk), self.showing)
        return success(card)


@extend_schema(tags=["sda"])
class UtilizationView(OperatorView):
    """The use that running jobs make of their devices."""

    queryset = jobs()
    filterset_class = UtilizationFilter

    @reads(shapes.JobUse)
    def list(self, _request: Request) -> Response:
        """List running jobs with the use that they make of their devices."""
        running: Any = jobs().filter(status=JobStatus.RUNNING).order_by("pk")
        return self.listed(utilization_cards(self.page(running), self.showing))
