"""Channels: created, changed and deleted by operators. Addresses and secrets are stored encrypted and never shown."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from core.clock import db_now
from core.crypto import unreadable_secrets
from core.errors import InvalidParameter, NotFound
from core.texts import require_row, values_of
from core.tombstone import hold
from core.unique import unique
from events.actor import Actor
from events.services import record
from outbox.choices import DELIVERY_TRANSITIONS, ChannelKind, DeliveryState, Language
from outbox.models import Channel, Delivery, OutgoingMessage
from outbox.owners import require_unowned
from outbox.sending.addresses import literal_address, may_connect
from outbox.sending.signature import key_of, new_webhook_secret
from outbox.sending.targets import parse_target, shown_url
from outbox.services.recipients import problem_of_recipients
from outbox.signals import channel_changed, channel_deleted, deliveries_enqueued

MOST_KEEP_HOURS = 168
ONLY_SIGNED = _("Only a signed webhook has a secret.")
OPEN = ("name", "language", "enabled", "recipients")
HEALTHY: dict[str, Any] = {"failures": 0, "failing_since": None, "reported_at": None, "next_at": None}


@transaction.atomic
def create_channel(
    *,
    name: str,
    kind: str,
    actor: Actor,
    url: str = "",
    secret: str = "",
    recipients: Sequence[str] = (),
    language: str = Language.ENGLISH,
    enabled: bool = True,
) -> tuple[Channel, str]:
    """Create a channel; return it and, if it is a signed webhook without a given secret, the new secret, else "".

    Raises Duplicate, InvalidParameter.
    """
    new = new_webhook_secret() if kind == ChannelKind.WEBHOOK and not secret else ""
    channel = Channel(name=name, kind=kind, language=language, enabled=enabled, created_at=db_now())
    channel.url, channel.secret, channel.recipients = url.strip(), secret.strip() or new, list(recipients)
    _save(channel, {"name", "kind", "url", "secret", "recipients", "language"})
    record("CREATE_CHANNEL", actor=actor, subject=subject_of(channel), kind=channel.kind, **_details(channel, OPEN))
    return channel, new


@transaction.atomic
def update_channel(channel: Channel, *, actor: Actor, by_owner: bool = False, **fields: Any) -> Channel:
    """Change name, language, enabled, recipients, url or secret; the kind stays.

    Raises Duplicate, InvalidParameter, Conflict when it was deleted meanwhile, or its owner alone may rename it.
    """
    hold(channel)
    if not by_owner and fields.get("name", channel.name) != channel.name:
        require_unowned(channel, "name")
    if "secret" in fields:
        channel.old_secret, channel.old_secret_until = "", None
    for name, value in fields.items():
        setattr(channel, name, value.strip() if name in ("url", "secret") else value)
    _save(channel, fields.keys())
    if {"url", "secret", "recipients", "enabled"} & fields.keys():
        if channel.reported_at:
            channel_changed.send(Channel, channel_id=channel.pk)
        _forget_failures(channel)
    record("UPDATE_CHANNEL", actor=actor, subject=subject_of(channel), **_details(channel, fields))
    deliveries_enqueued.send(Delivery, channel_ids=[channel.pk])
    return channel


@transaction.atomic
def renew_secret(channel: Channel, *, actor: Actor, keep_hours: int = 0) -> str:
    """Replace the secret of a signed webhook and return the new one; for `keep_hours` the old one signs as well.

    Raises InvalidParameter for another kind of channel or wrong hours, Conflict when it was deleted meanwhile.
    """
    hold(channel)
    if channel.kind != ChannelKind.WEBHOOK:
        raise InvalidParameter(ONLY_SIGNED, parameter="kind")
    if not 0 <= keep_hours <= MOST_KEEP_HOURS:
        raise InvalidParameter(_("Enter hours from 0 to 168."), parameter="keep_hours")
    channel.old_secret = channel.secret if keep_hours and "secret" not in unreadable_secrets(channel) else ""
    channel.old_secret_until = db_now() + timedelta(hours=keep_hours) if channel.old_secret else None
    channel.secret = new_webhook_secret()
    channel.save(update_fields=["secret", "old_secret", "old_secret_until"])
    record("RENEW_CHANNEL_SECRET", actor=actor, subject=subject_of(channel), keepHours=keep_hours)
    return channel.secret


def forget_old_secrets() -> None:
    """Delete the old secrets whose time is over."""
    Channel.objects.filter(old_secret_until__lte=db_now()).update(old_secret="", old_secret_until=None)


@transaction.atomic
def delete_channel(channel: Channel, *, actor: Actor, force: bool = False, by_owner: bool = False) -> None:
    """Mark a channel as deleted, empty its address and secret, and cancel what it was still to get.

    Raises ChannelInUse, unless `force`, when a rule would be left without any channel, NotFound, and Conflict when it
    was deleted meanwhile, or its owner alone may delete it.
    """
    hold(channel, alone=True)
    if not by_owner:
        require_unowned(channel, "id")
    now, emptied = db_now(), {"url": "", "secret": "", "old_secret": "", "old_secret_until": None}
    if not Channel.objects.live().filter(pk=channel.pk).update(deleted_at=now, enabled=False, **emptied):
        raise NotFound(id=channel.pk)
    channel_deleted.send(Channel, channel_id=channel.pk, actor=actor, force=force)
    _forget_failures(channel)
    OutgoingMessage.objects.filter(channel=channel, next_at__isnull=False).update(next_at=None)
    under_way = DELIVERY_TRANSITIONS.before(DeliveryState.CANCELED)
    rows = Delivery.objects.filter(channel=channel, state__in=under_way)
    canceled = rows.update(state=DeliveryState.CANCELED, ended_at=now)
    record(
        "DELETE_CHANNEL", actor=actor, subject=subject_of(channel), name=channel.name, canceled=canceled, force=force
    )


def subject_of(channel: Channel) -> str:
    """Return what events call a channel."""
    return f"channel/{channel.pk}"


def _forget_failures(channel: Channel) -> None:
    """Try at once what waits for another attempt: the reason of the failures may be gone."""
    Channel.objects.filter(pk=channel.pk).update(**HEALTHY)
    for name, value in HEALTHY.items():
        setattr(channel, name, value)
    OutgoingMessage.objects.filter(channel=channel, next_at__isnull=False).update(next_at=db_now())


def _details(channel: Channel, changed: Collection[str]) -> dict[str, Any]:
    """Return what an event says about a channel: of an address the host, of a secret only that it was set."""
    told = values_of(channel, [name for name in OPEN if name in changed])
    if channel.kind != ChannelKind.MAIL and ({"url"} & set(changed) or changed is OPEN):
        told["host"] = shown_url(str(channel.url))
    if "secret" in changed:
        told["secretSet"] = True
    return told


def _save(channel: Channel, changed: Collection[str]) -> None:
    require_row(channel, only=changed)
    problems = {name: [wrong] for name, check in CHECKS.items() if name in changed and (wrong := check(channel))}
    if problems:
        raise InvalidParameter(_("A value is not valid."), **problems)
    with unique(name=channel.name):
        channel.save()


def _problem_of_kind(channel: Channel) -> Any:
    return None if channel.kind in ChannelKind.values else _("It is not one of the kinds.")


def _problem_of_language(channel: Channel) -> Any:
    return None if channel.language in Language.values else _("It is not one of the languages.")


def _problem_of_url(channel: Channel) -> Any:
    url = str(channel.url)
    if channel.kind == ChannelKind.MAIL:
        return _("A mail channel has recipients instead.") if url else None
    target = parse_target(url)
    if target is None:
        return _("Enter an address like https://portal.example.com/hooks, without a login and a fragment.")
    if not target.tls and not settings.MOREH_OUTBOX_HTTP:
        return _("Enter an address that begins with https://, or allow http:// with MOREH_OUTBOX_HTTP.")
    address = literal_address(target.host)  # a name is judged when it is resolved
    if address is None or may_connect(address, settings.MOREH_OUTBOX_NETWORKS):
        return None
    return _("It is a private or loopback address; allow its network with MOREH_OUTBOX_NETWORKS.")


def _problem_of_secret(channel: Channel) -> Any:
    secret = str(channel.secret)
    if channel.kind != ChannelKind.WEBHOOK:
        return ONLY_SIGNED if secret else None
    return None if key_of(secret) else _("Enter whsec_ and the base64 of 24 to 64 random bytes.")


def _problem_of_recipients(channel: Channel) -> Any:
    if channel.kind != ChannelKind.MAIL:
        return _("Only a mail channel has recipients.") if channel.recipients else None
    return problem_of_recipients(channel.recipients)


CHECKS = {
    "kind": _problem_of_kind,
    "language": _problem_of_language,
    "url": _problem_of_url,
    "secret": _problem_of_secret,
    "recipients": _problem_of_recipients,
}
