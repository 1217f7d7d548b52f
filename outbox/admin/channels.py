"""The admin of channels."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from core.admin import Secret, ServiceAdmin, Table, Tombstones, badge, confirmed, link_to, time_ago
from core.admin.actions import without
from core.admin.lookups import with_key
from core.crypto import readable
from core.mail_note import mail_note
from core.signs import NOTHING
from core.stored_text import StoredText
from events.actor import Actor
from events.admin import actor_of, event_table
from notifications.queries import rules_losing
from outbox.admin.formatting import answer_of, channel_badge, result_badge
from outbox.admin.forms import OF_CHANNEL, OF_KIND, ChannelForm, DeleteChannelForm, SecretForm
from outbox.choices import ChannelKind
from outbox.models import Channel
from outbox.queries import attempts, with_last_attempt
from outbox.sending.targets import shown_url
from outbox.services import create_channel, delete_channel, renew_secret, update_channel
from outbox.services.channels import ONLY_SIGNED
from outbox.services.preview import previews
from outbox.services.testing import send_test

SECRET_NOTE = _("The receiver verifies the signatures with it. It is not shown again.")
LATEST = 10  # attempts on the page of a channel


def rules_that_lose(channels: QuerySet[Channel]) -> Table:
    """Return the rules that lose some channels, for the page that asks; those that are left without any come first."""
    found = rules_losing(set(channels.values_list("pk", flat=True)))
    rows = [
        (link_to(rule), badge(_("no channel"), "danger") if not left else ", ".join(channel.name for channel in left))
        for rule, left in sorted(found, key=lambda one: bool(one[1]))
    ]
    note = "" if rows else _("No rule uses it.")
    return Table(_("Rules that lose a channel"), (_("rule"), _("channels that are left")), rows, note=note)


@admin.register(Channel)
class ChannelAdmin(ServiceAdmin):
    """Where alerts and events are sent to."""

    comes_from = _("A channel is where messages go: mail, a signed webhook, or a Slack-compatible webhook.")
    form = ChannelForm
    list_display = ("name", "kind", "goes_to", "language", "shown_state", "failing")
    list_filter = (Tombstones, "kind", "enabled")
    search_fields = ("name",)
    search_help_text = _("Name")
    ordering = ("name", "id")
    readonly_fields = ("goes_to", "shown_state", "failing", "next_at", "old_secret_until")
    wire_names = {"url": "new_url", "secret": "new_secret"}
    export_columns = {"failing": "failing_since"}
    actions = ("delete",)
    actions_detail = ("test", "renew", "delete")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Channel]:
        return with_last_attempt(super().get_queryset(request))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer a new secret on the page of a signed webhook only: other kinds have none."""
        signed = with_key(Channel.objects.filter(kind=ChannelKind.WEBHOOK), object_id).exists()
        return without(super().get_actions_detail(request, object_id), () if signed else {"renew"})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        own = ("name", ("kind", "language"), "enabled", *(OF_KIND.get(obj.kind, ()) if obj else OF_CHANNEL))
        state = (_("State"), {"fields": (("goes_to", "shown_state"), ("failing", "next_at"), "old_secret_until")})
        note = mail_note() if obj is None or obj.kind == ChannelKind.MAIL else None
        return ((None, {"fields": own, "description": note}), *([state] if obj else []))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*self.readonly_fields, *(("kind",) if obj else ()))

    def row_data(self, data: dict[str, Any]) -> dict[str, Any]:
        return {name.removeprefix("new_"): value for name, value in data.items()}

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> Any:
        channel, secret = create_channel(actor=actor_of(request), **data)
        return (channel, Secret(_("Secret"), secret, SECRET_NOTE)) if secret else channel

    def update_row(self, request: HttpRequest, row: Channel, changes: dict[str, Any]) -> None:
        update_channel(row, actor=actor_of(request), **changes)

    @confirmed(
        _("Send a test message"),
        explanation=_("It is sent now, also while the channel is off. The answer is shown, and kept in the log."),
        icon="outgoing_mail",
    )
    def test(self, actor: Actor, row: Channel, _data: dict[str, Any]) -> StoredText:
        attempt = send_test(row, actor=actor)
        told = {"result": attempt.get_result_display(), "answer": answer_of(attempt)}
        return StoredText(_("Answer: %(result)s (%(answer)s)"), told)

    @confirmed(
        _("New secret"),
        explanation=_("Messages are signed with it from now on, and for some hours with the old one as well."),
        form=SecretForm,
        icon="key",
        dangerous=True,
        unless=(~Q(kind=ChannelKind.WEBHOOK), ONLY_SIGNED),
    )
    def renew(self, actor: Actor, row: Channel, data: dict[str, Any]) -> Secret:
        return Secret(_("Secret"), renew_secret(row, actor=actor, **data), SECRET_NOTE)

    @confirmed(
        _("Delete"),
        explanation=_("What waits for it is canceled. Its address and secret are deleted, the log stays."),
        form=DeleteChannelForm,
        icon="delete",
        dangerous=True,
        about=rules_that_lose,
    )
    def delete(self, actor: Actor, row: Channel, data: dict[str, Any]) -> None:
        delete_channel(row, actor=actor, force=data["force"])

    def tables(self, request: HttpRequest, row: Channel) -> Iterable[Table]:
        yield _log_table(row)
        yield _preview_table(row)
        yield event_table(f"channel/{row.pk}")

    @admin.display(description=_("goes to"))
    def goes_to(self, row: Channel) -> str:
        if row.kind == ChannelKind.MAIL:
            return ", ".join(row.recipients) or NOTHING
        return shown_url(str(readable(row.url, row.pk) or "")) or NOTHING

    @admin.display(description=_("state"))
    def shown_state(self, row: Any) -> SafeString:
        return channel_badge(row, row.last_result)

    @admin.display(description=_("failing since"), ordering="failing_since")
    def failing(self, row: Channel) -> SafeString | str:
        return time_ago(row.failing_since)


def _log_table(row: Channel) -> Table:
    latest = attempts().filter(channel=row)[:LATEST]
    rows = [(time_ago(one.at), one.message.subject, result_badge(one), answer_of(one)) for one in latest]
    more = reverse("admin:outbox_attempt_changelist") + f"?kind=all&channel__id__exact={row.pk}"
    return Table(
        _("Delivery log"), (_("time"), pgettext("of a message", "subject"), _("result"), _("answer")), rows, more
    )


def _preview_table(row: Channel) -> Table:
    rows = [(one.label, one.subject, format_html('<pre class="mc-pre">{}</pre>', one.content)) for one in previews(row)]
    note = _("Samples, in the language of the channel.")
    return Table(_("Preview"), (_("kind"), pgettext("of a message", "subject"), _("content")), rows, note=note)
