"""Customers of a trace: tokens, models and SDAs, created through the services. A second run changes nothing."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from backends.models import BackendGroup
from core.errors import Duplicate
from events.actor import Actor
from scheduler.replay.trace import TraceJob
from scheduler.services.sdas import create_sda
from sda.models import Sda, SdaModel, SdaModelGroup
from sda.queries import live_sdas
from sda.services.models import add_model_to_group, create_membership, create_sda_model, create_sda_model_group
from tokens.models import Token, TokenGroup
from tokens.services import create_token, create_token_group

TRACE = Actor("trace", "internal")


@dataclass(frozen=True, slots=True, order=True)
class Customer:
    """A user's jobs of one size. A token that runs many jobs at once has only one SDA, and so only one size."""

    user: str
    devices: int
    priority: int

    @property
    def title(self) -> str:
        """Return the name of the customer's token."""
        return f"{self.user or 'nobody'}, {self.devices} device{'s' if self.devices > 1 else ''}"


def customer_of(job: TraceJob) -> Customer:
    """Return the customer of a job of the trace."""
    return Customer(job.user, job.devices, job.priority)


@transaction.atomic
def make_customers(prefix: str, group: BackendGroup, jobs: Iterable[TraceJob]) -> dict[Customer, Sda]:
    """Make what is missing of a trace's customers, served by a backend group. Raises Duplicate for another's prefix."""
    wished = sorted({customer_of(job) for job in jobs})
    model_group, users = _groups(prefix, group)
    models = {size: _model(f"{prefix}.{size}", size, model_group) for size in sorted({c.devices for c in wished})}
    return {customer: _sda(customer, prefix, users, models[customer.devices], model_group) for customer in wished}


def _groups(prefix: str, group: BackendGroup) -> tuple[SdaModelGroup, TokenGroup]:
    known = SdaModelGroup.objects.live().filter(name=prefix).first()
    users = TokenGroup.objects.live().filter(name=prefix).first()
    if known is None and users is None:
        known = create_sda_model_group(name=prefix, backend_group=group, actor=TRACE)
        users = create_token_group(name=prefix, actor=TRACE)
        create_membership(users, known, actor=TRACE)
    if known is None or users is None or known.backend_group_id != group.pk:
        raise Duplicate(_("The name of this trace is taken by groups that serve something else."), prefix=prefix)
    return known, users


def _model(name: str, devices: int, group: SdaModelGroup) -> SdaModel:
    known: SdaModel | None = SdaModel.objects.live().filter(name=name, groups=group, num_devices=devices).first()
    if known is None:
        known = create_sda_model(name=name, num_devices=devices, actor=TRACE)
        add_model_to_group(known, group, actor=TRACE)
    return known


def _sda(customer: Customer, prefix: str, users: TokenGroup, model: SdaModel, group: SdaModelGroup) -> Sda:
    title = f"{prefix}: {customer.title}"
    token = Token.objects.live().filter(description=title, priority=customer.priority, groups=users).first()
    if token is None:
        # No limit to its jobs at once: the trace's own cluster had none.
        token = create_token(
            description=title, groups=[users], priority=customer.priority, max_duplicates=0, actor=TRACE
        )
    known: Sda | None = live_sdas(token).filter(model=model, model_group=group).first()
    return known or create_sda(token, model, group=group, actor=TRACE)
