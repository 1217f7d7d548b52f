"""What customers leave behind: groups and rights, events, roll-ups; every call adds to what is there."""

from datetime import timedelta
from itertools import product

from django.db import connection

from backends.models import BackendGroup
from core.clock import db_now
from sda.models import Membership, SdaModel, SdaModelGroup
from tests import make
from tokens.models import Token, TokenGroup
from usage.services import recount_hours

USER_GROUPS, MODEL_GROUPS = 40, 10
EVENTS = """
INSERT INTO events_event (action, subject, token_id, request, response, actor, referer_protocol, referer_ip, event_time)
SELECT (array['UPDATE_TOKEN', 'CREATE_SDA', 'DRAIN_BACKEND', 'CANCEL_JOB'])[1 + n %% 4], 'token/' || n, n,
    '{"priority": 3}', '{}', 'operator-' || n %% 7, 'http', '127.0.0.1', now() - n * (interval '30 days' / %(count)s)
FROM generate_series(%(count)s, 1, -1) AS n
"""


def fill_groups() -> None:
    """Make user groups and SDA model groups, each user group with the right to two of these, once."""
    if TokenGroup.objects.exists():
        return
    models = [SdaModel.objects.get_or_create(name=f"{n}xGPU", defaults={"num_devices": n})[0] for n in (1, 2, 4, 8)]
    users = TokenGroup.objects.bulk_create(TokenGroup(name=f"team {number}") for number in range(USER_GROUPS))
    nodes = list(BackendGroup.objects.order_by("pk"))
    groups = SdaModelGroup.objects.bulk_create(
        SdaModelGroup(name=f"models {number}", backend_group=nodes[number % len(nodes)])
        for number in range(MODEL_GROUPS)
    )
    inside = SdaModelGroup.sda_models.through._default_manager
    inside.bulk_create(inside.model(sdamodelgroup=group, sdamodel=model) for group, model in product(groups, models))
    Membership.objects.bulk_create(
        Membership(token_group=user, model_group=groups[(number + more) % MODEL_GROUPS])
        for number, user in enumerate(users)
        for more in (0, 3)
    )


def join_groups() -> None:
    """Put every token that is in no user group into one."""
    groups = list(TokenGroup.objects.order_by("pk").values_list("pk", flat=True))
    pairs = Token.groups.through._default_manager
    alone = Token.objects.filter(groups=None).values_list("pk", flat=True)
    pairs.bulk_create(
        (pairs.model(token_id=token, tokengroup_id=groups[token % len(groups)]) for token in alone), batch_size=5000
    )


def fill_events(count: int) -> None:
    """Add events of the last 30 days."""
    with connection.cursor() as cursor:
        cursor.execute(EVENTS, {"count": count})


def roll_up() -> None:
    """Close every hour of the last 31 days, as the product does, a day at a time: no transaction may be idle long."""
    now = db_now()
    for days in range(31, 0, -1):
        recount_hours(now - timedelta(days=days), now - timedelta(days=days - 1), actor=make.ACTOR)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
