"""Sending one message over the wire, with receivers of all manners."""

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from outbox.choices import AttemptResult, ChannelKind
from outbox.sending import Outgoing, Sender, SendOutcome
from outbox.sending import http as http_module
from outbox.sending.addresses import may_connect
from outbox.sending.recipients import outcome_of_recipients
from outbox.sending.signature import new_webhook_secret
from outbox.sending.targets import parse_target, shown_url
from tests.outbox.receiver import (
    HttpReceiver,
    Manners,
    answers,
    close_in_the_middle,
    drip,
    endless,
    mailbox,
    receiving,
    self_signed,
    silent,
    speaking,
)

UID = UUID("0190f5c6-1111-7222-8333-444455556666")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
R = AttemptResult


def webhook(url: str, secret: str = "") -> Outgoing:
    return Outgoing(ChannelKind.WEBHOOK, UID, '{"a":1}', AT, url=url, secret=secret or new_webhook_secret())


def sent(outgoing: Outgoing) -> SendOutcome:
    sender = Sender()
    try:
        return sender.send(outgoing)
    finally:
        sender.close()


def told(outcome: SendOutcome) -> tuple[AttemptResult, int | None, float | None]:
    return outcome.result, outcome.code, outcome.retry_after


def test_a_signed_webhook_is_what_the_reference_library_accepts(receiver: HttpReceiver) -> None:
    secret, old = new_webhook_secret(), new_webhook_secret()
    outcome = sent(replace(webhook(receiver.url, secret), old_secret=old))
    assert (outcome.result, outcome.code, outcome.size) == (R.OK, 200, 7)
    (got,) = receiver.received
    assert (got.path, got.headers["host"]) == ("/hook?key=hidden-in-query", f"localhost:{receiver.port}")
    assert got.headers["webhook-id"] == f"msg_{UID.hex}"
    assert Webhook(secret).verify(got.body, got.headers) == {"a": 1}
    assert Webhook(old).verify(got.body, got.headers) == {"a": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(got.body + b" ", got.headers)


def test_a_connection_is_kept_and_one_that_was_closed_meanwhile_is_replaced() -> None:
    closing: list[bool] = []

    def manners(_received: Any, sock: socket.socket) -> bytes | None:
        if closing and closing.pop():
            return None  # without a byte, as a server does whose idle time is over
        return answers("204 No Content")

    with receiving(manners) as receiver:
        sender = Sender()
        outcomes = [sender.send(webhook(receiver.url)) for _ in range(2)]
        assert receiver.connections == 1
        closing.append(True)
        outcomes.append(sender.send(webhook(receiver.url)))
        sender.close()
        assert ([one.code for one in outcomes], receiver.connections) == ([204, 204, 204], 2)


MANNERS: dict[str, tuple[Manners, tuple[AttemptResult, int | None, float | None]]] = {
    "answers 500": (lambda _r, _s: answers("500 No"), (R.REFUSED, 500, None)),
    "answers 410": (lambda _r, _s: answers("410 Gone"), (R.REFUSED, 410, None)),
    "asks for a pause": (lambda _r, _s: answers("429 Later", "Retry-After: 120"), (R.REFUSED, 429, 120.0)),
    "asks for a pause until the past": (
        lambda _r, _s: answers("503 Later", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"),
        (R.REFUSED, 503, 0.0),
    ),
    "asks for a pause that is none": (lambda _r, _s: answers("503 No", "Retry-After: soon"), (R.REFUSED, 503, None)),
    "asks for a pause until a day that is none": (
        lambda _r, _s: answers("429 Later", "Retry-After: Mon, 01 Jan 2027 00:00:00 +99999999999999999"),
        (R.REFUSED, 429, None),
    ),
    "redirects": (lambda _r, _s: answers("301 Moved", "Location: http://127.0.0.1:1/"), (R.REDIRECT, 301, None)),
    "is silent": (silent, (R.TIMEOUT, None, None)),
    "drips a head": (drip, (R.TIMEOUT, None, None)),
    "sends a body without end": (endless, (R.OK, 200, None)),
    "closes in the middle": (close_in_the_middle, (R.BROKEN, None, None)),
    "is no HTTP server": (lambda _r, _s: b"220 mail.example.com ESMTP\r\n\r\n", (R.GARBAGE, None, None)),
    "sends a head without end": (
        lambda _r, _s: b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 200_000,
        (R.GARBAGE, None, None),
    ),
}


@pytest.mark.parametrize("case", MANNERS)
def test_a_receiver_that(case: str) -> None:
    manners, wanted = MANNERS[case]
    with receiving(manners) as receiver:
        assert told(sent(webhook(receiver.url))) == wanted
        assert len(receiver.received) == 1  # nothing is followed or repeated


def test_nobody_listens() -> None:
    with receiving() as gone:
        pass
    assert told(sent(webhook(gone.url))) == (R.UNREACHABLE, None, None)


def test_a_certificate_is_verified_with_the_name(tmp_path: Path, settings: Any) -> None:
    context, certificate = self_signed(tmp_path, "hooks.example.com")
    with receiving(context=context) as receiver:
        assert told(sent(webhook(receiver.url))) == (R.UNTRUSTED, None, None)
        settings.MOREH_OUTBOX_CA = certificate
        assert sent(webhook(receiver.url)).result == R.UNTRUSTED  # another host's
        assert receiver.received == []
    http_module.tls_context.cache_clear()
    context, settings.MOREH_OUTBOX_CA = self_signed(tmp_path, "localhost")
    with receiving(context=context) as receiver:
        assert told(sent(webhook(receiver.url))) == (R.OK, 200, None)
    http_module.tls_context.cache_clear()
    with receiving() as plain:
        assert sent(webhook(plain.url.replace("http:", "https:"))).result == R.GARBAGE


REFUSED_ADDRESSES = (
    *("10.1.2.3", "127.0.0.1", "0.0.0.1", "100.64.0.1", "169.254.169.254", "172.16.0.1", "192.168.1.1", "192.0.0.8"),
    *("192.88.99.1", "198.18.0.1", "203.0.113.5", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::8.8.8.8", "fe80::1", "fc00::1", "fd12::1", "ff02::1"),
    *("2002:0a00:0001::1", "2002:0808:0808::1", "64:ff9b::a00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1"),
    *("2001:0:1::1", "2001:db8::1", "fec0::1", "fd00:ec2::254", "::ffff:0:10.0.0.1", "2001:20::1", "100::1"),
)


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not may_connect(ip_address(address), ())


def test_public_addresses_and_networks_of_the_setting_are_allowed() -> None:
    assert all(may_connect(ip_address(one), ()) for one in ("8.8.8.8", "2600:1901::1"))
    allowed = (ip_network("10.1.0.0/16"), ip_network("64:ff9b::/96"))
    assert may_connect(ip_address("10.1.2.3"), allowed)
    assert may_connect(ip_address("64:ff9b::a00:1"), allowed)
    assert not may_connect(ip_address("10.2.2.3"), allowed)


def resolver(*replies: list[str]) -> Callable[..., Any]:
    """A resolver whose replies change."""
    left = list(replies)

    def getaddrinfo(host: str, port: int, **_more: Any) -> Any:
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    return getaddrinfo


def test_the_address_that_was_checked_is_the_one_connected_to(
    receiver: HttpReceiver, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MOREH_OUTBOX_NETWORKS = (ip_network("127.0.0.1/32"),)
    url = f"http://portal.example.com:{receiver.port}/"
    monkeypatch.setattr(socket, "getaddrinfo", resolver(["127.0.0.1"], ["127.0.0.2"]))
    assert told(sent(webhook(url))) == (R.OK, 200, None)
    assert receiver.received[0].headers["host"] == f"portal.example.com:{receiver.port}"
    assert told(sent(webhook(url))) == (R.NOT_ALLOWED, None, None)  # the second reply
    monkeypatch.setattr(socket, "getaddrinfo", resolver(["127.0.0.1", "10.0.0.1"]))
    assert told(sent(webhook(url))) == (R.NOT_ALLOWED, None, None)  # one of several
    assert len(receiver.received) == receiver.connections == 1


def test_a_name_that_does_not_exist_and_plain_http(receiver: HttpReceiver, settings: Any) -> None:
    assert sent(webhook("http://no-such-host.invalid/")).result == R.UNKNOWN_HOST
    settings.MOREH_OUTBOX_HTTP = False
    assert told(sent(webhook(receiver.url))) == (R.NOT_ALLOWED, None, None)
    assert receiver.received == []


WRONG_URLS = (
    *("", "portal.example.com", "ftp://a.example.com/", "https://", "https://user:pw@a.example.com/", "https://a/#b"),
    *("https://a b/", "https://a:0/", "https://a:99999/", "https://a..b/", "https://[::1/", "https://a\\@b/"),
    *("https://한국.example.com/", "https://a/\r\nX: y", "https://[fe80::1%25eth0]/", "https://a/" + "x" * 2048),
)


@pytest.mark.parametrize("url", WRONG_URLS)
def test_a_text_is_no_address(url: str) -> None:
    assert parse_target(url) is None


def test_an_address_is_shown_without_what_may_be_secret() -> None:
    assert shown_url("https://hooks.slack.com/services/T0/B0/xyz") == "https://hooks.slack.com/***"
    assert shown_url("https://[2600::1]:8443/?k=v") == "https://[2600::1]:8443/***"
    assert shown_url("https://portal.example.com/") == "https://portal.example.com"
    assert shown_url("") == ""


def test_a_slack_compatible_receiver_gets_its_text_and_no_signature(receiver: HttpReceiver) -> None:
    content = '{"text": "hello"}'
    assert sent(Outgoing(ChannelKind.SLACK, UID, content, AT, url=receiver.url)).accepted
    assert receiver.received[0].json == {"text": "hello"}
    assert not [name for name in receiver.received[0].headers if name.startswith("webhook-")]


def mail(*recipients: str) -> Outgoing:
    content = '{"subject": "Node\\nlost", "text": "gpu-01 \\ud55c", "html": "<p>gpu-01</p>"}'
    return Outgoing(ChannelKind.MAIL, UID, content, AT, recipients=recipients)


def test_mail_by_smtp(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.DEFAULT_FROM_EMAIL = "Cloud <cloud@example.com>"
    with mailbox() as (box, settings.EMAIL_PORT):
        settings.EMAIL_HOST = "127.0.0.1"
        assert told(sent(mail("a@example.com", "b@example.com"))) == (R.OK, 250, None)
        (got,) = box.mails
        assert (got["Subject"], got["To"]) == ("Node lost", "a@example.com, b@example.com")
        assert got["Message-ID"] == f"<{UID.hex}@example.com>"
        parts: Any = got.get_payload()
        assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
        box.refuse = {"gone@example.com": "550 no such user", "slow@example.com": "450 later"}
        assert told(sent(mail("gone@example.com"))) == (R.REFUSED, 550, None)
        assert sent(mail("slow@example.com")).detail == "later"
        assert sent(mail("gone@example.com", "b@example.com")).detail == "refused: gone@example.com (550)"
        assert len(box.mails) == 2
    assert told(sent(mail("a@example.com"))) == (R.UNREACHABLE, None, None)


def test_mail_to_domains_that_are_not_ascii_and_what_is_not_a_mail_server(settings: Any) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1"
    with mailbox() as (box, settings.EMAIL_PORT):
        assert told(sent(mail("ops@\uc608\uc81c.example", "b@example.com"))) == (R.OK, 250, None)
        assert box.mails[0]["X-RcptTo"] == "ops@xn--2j5b21b.example, b@example.com"
        assert sent(replace(mail("b@example.com"), content="{")).detail == "JSONDecodeError"
    with speaking(lambda sock: sock.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")) as settings.EMAIL_PORT:
        assert told(sent(mail("b@example.com"))) == (R.GARBAGE, None, None)


def test_a_mail_server_that_is_silent(settings: Any) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1"
    settings.MOREH_OUTBOX_TIMEOUT = timedelta(seconds=0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.EMAIL_PORT = server.getsockname()[1]
        assert told(sent(mail("a@example.com"))) == (R.TIMEOUT, None, None)


GREY, GONE, AWAY = (451, b"later"), (550, b"no such user"), (421, b"good bye")
WHO: dict[str, tuple[dict[str, tuple[int, bytes]], dict[str, int], tuple[Any, ...]]] = {
    "one for now": ({"b": GREY}, {}, (R.OK, 250, {"a": 250}, True, False, False)),
    "one for good": ({"b": GONE}, {}, (R.OK, 250, {}, False, False, False)),
    "all, for now and for good": ({"a": GONE, "b": GREY}, {}, (R.REFUSED, 451, {"a": 550}, False, False, True)),
    "all for good": ({"a": GONE, "b": GONE}, {}, (R.REFUSED, 550, {}, False, False, True)),
    "who is left, for now": ({"a": GREY, "b": GONE}, {"c": 250}, (R.REFUSED, 451, {"b": 550}, True, True, False)),
    "who is left, for good": ({"a": GONE, "b": GONE}, {"c": 250}, (R.REFUSED, 550, {}, False, True, False)),
    "one and ends the exchange": ({"b": AWAY}, {}, (R.REFUSED, 421, {}, False, False, True)),
}


@pytest.mark.parametrize("case", WHO)
def test_a_mail_server_refuses(case: str) -> None:
    refused, settled, wanted = WHO[case]
    got = outcome_of_recipients(["a", "b"], refused, settled, 9)
    assert (got.result, got.code, got.settled, got.left, got.apart, got.of_channel) == wanted


def lines_without_end(lines: int, pause: float) -> Callable[[socket.socket], None]:
    """Greet, and answer so many lines at once, again and again."""

    def say(sock: socket.socket) -> None:
        sock.sendall(b"220 hello\r\n")
        for _time in range(100_000):
            sock.sendall(b"250-x\r\n" * lines)
            time.sleep(pause)

    return say


def test_a_mail_server_that_answers_without_end(settings: Any) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1"
    settings.MOREH_OUTBOX_TIMEOUT = timedelta(seconds=0.4)
    with speaking(lines_without_end(1, 0.02)) as settings.EMAIL_PORT:
        assert told(sent(mail("a@example.com"))) == (R.TIMEOUT, None, None)
    settings.MOREH_OUTBOX_TIMEOUT = timedelta(seconds=20)
    with speaking(lines_without_end(10_000, 0)) as settings.EMAIL_PORT:
        assert told(sent(mail("a@example.com"))) == (R.BROKEN, None, None)


def test_mail_over_tls(settings: Any, tmp_path: Path) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "localhost"
    context, _certificate = self_signed(tmp_path, "localhost")
    settings.EMAIL_USE_SSL = True
    with receiving(context=context) as receiver:
        settings.EMAIL_PORT = receiver.port
        assert told(sent(mail("a@example.com"))) == (R.UNTRUSTED, None, None)


def test_no_secret_is_in_what_is_logged_of_a_message() -> None:
    shown = repr(webhook("https://hooks.example.com/T0/secret-path"))
    assert "secret" not in shown
    assert "hooks" not in shown


def test_the_context_wants_tls_1_2() -> None:
    assert http_module.tls_context().minimum_version == ssl.TLSVersion.TLSv1_2
