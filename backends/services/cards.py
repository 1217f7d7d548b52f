"""The cards in devices' places: identified by what agents report, and exchanged when another one is found there."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from backends.models import Card, Device, Finding, FormerCard
from backends.models.health import OPEN_FINDING
from backends.services.verdicts import reset_verdicts
from core.bulk import update_rows
from core.clock import db_now
from events.actor import SYSTEM
from events.services import NewEvent, record_all


class CardIdentity(NamedTuple):
    """What identifies a card; "" could not be read. The fields are columns of Card."""

    uuid: str = ""
    serial: str = ""
    pci_address: str = ""
    driver_version: str = ""
    firmware_version: str = ""


class KnownCard(NamedTuple):
    """A card as it is stored, with the device in whose place it is."""

    device_id: int
    identity: CardIdentity


UNKNOWN = CardIdentity()
Place = tuple[int, int]
"""A node and the index of a device on it."""


def known_cards(backend_ids: Iterable[int]) -> dict[Place, KnownCard]:
    """Return the devices of nodes with their cards, in one query; those without a card have an empty identity."""
    rows = Device.objects.filter(backend__in=list(backend_ids)).values_list(
        "backend_id", "index", "pk", *(f"card__{name}" for name in CardIdentity._fields)
    )
    return {(row[0], row[1]): KnownCard(row[2], CardIdentity(*(value or "" for value in row[3:]))) for row in rows}


def is_exchanged(known: CardIdentity, reported: CardIdentity) -> bool:
    """Whether a report is about another card. A UUID decides; without one on both sides the serial number does."""
    if known.uuid and reported.uuid:
        return known.uuid != reported.uuid
    return bool(known.serial and reported.serial) and known.serial != reported.serial


def completed(known: CardIdentity, reported: CardIdentity) -> CardIdentity:
    """Return what is known of a card after a report: what it could not read stays, unless it is another card."""
    if is_exchanged(known, reported):
        return reported
    return CardIdentity(*(new or old for new, old in zip(reported, known, strict=True)))


def store_cards(found: Mapping[Place, CardIdentity], known: Mapping[Place, KnownCard]) -> None:
    """Store what has become known of cards that are still in their places; devices without an identity get none."""
    changed = {
        known[place].device_id: (known[place].identity, now)
        for place, reported in found.items()
        if place in known and (now := completed(known[place].identity, reported)) != known[place].identity
    }
    new = {pk: card for pk, (before, card) in changed.items() if before == UNKNOWN}
    since = db_now()
    Card.objects.bulk_create(
        (Card(device_id=pk, since=since, **card._asdict()) for pk, card in new.items()), ignore_conflicts=True
    )
    rows = ((pk, *card) for pk, (_before, card) in changed.items() if pk not in new)
    update_rows(Card, CardIdentity._fields, rows)


def take_cards(
    found: Mapping[Place, CardIdentity], known: Mapping[Place, KnownCard], models: Mapping[int, str]
) -> None:
    """Store which cards an agent finds on its node; `known` and `models` are those that the devices had before."""
    others = {
        place: card for place, card in found.items() if place in known and is_exchanged(known[place].identity, card)
    }
    if others:
        exchange_cards(others, known, models)
    nodes = {node for node, _index in found}
    store_cards({place: card for place, card in found.items() if place not in others}, known_cards(nodes))


def exchange_cards(
    found: Mapping[Place, CardIdentity], known: Mapping[Place, KnownCard], models: Mapping[int, str]
) -> None:
    """Store, in the caller's transaction, that other cards are in some places; `models`: of the old ones, by device.

    The old cards keep their findings, verdicts and times; the new ones begin without.
    """
    ids = {known[place].device_id: reported for place, reported in found.items()}
    devices = {one.pk: one for one in Device.objects.select_for_update().filter(pk__in=ids).order_by("pk")}
    now = db_now()
    old = {card.device_id: card for card in Card.objects.filter(device__in=ids)}
    FormerCard.objects.bulk_create(
        FormerCard(
            device_id=pk,
            model=models.get(pk, ""),
            verdict=devices[pk].verdict,
            since=card.since,
            until=now,
            **{name: getattr(card, name) for name in CardIdentity._fields},
        )
        for pk, card in old.items()
    )
    Finding.objects.filter(OPEN_FINDING, device__in=ids).update(ended_at=now)
    reset_verdicts(list(ids))
    update_rows(Card, ("since", *CardIdentity._fields), ((pk, now, *ids[pk]) for pk in old))
    record_all((_event(devices[pk], card, ids[pk]) for pk, card in old.items()), actor=SYSTEM)


def _event(device: Device, old: Card, new: CardIdentity) -> NewEvent:
    details = {"device": device.index, "old": old.serial or old.uuid, "new": new.serial or new.uuid}
    return NewEvent("EXCHANGE_CARD", f"backend/{device.backend_id}", None, details)
