"""Operators who are invited, and the links of their mails."""

import re
from typing import Any
from urllib.parse import urlsplit

from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts import work
from accounts.choices import Role
from accounts.models import Operator
from accounts.services.operators import create_operator
from tests import make

PASSWORD = "three green birds"
TWICE = {"password": PASSWORD, "again": PASSWORD}
ENDED = "This link has ended or was used before."


def invited(**fields: Any) -> Operator:
    given = {"username": "lee", "email": "lee@example.com", "role": Role.GENERAL, "password": "", **fields}
    return create_operator(**given, email_verified=False, actor=make.ACTOR)


def link_in_the_last_mail() -> str:
    """Send what waits; return path and query of the link in the last mail."""
    work.send_waiting()
    found = re.search(r"^http://\S+$", str(mail.outbox[-1].body), re.MULTILINE)
    assert found
    parts = urlsplit(found[0])
    return f"{parts.path}?{parts.query}"


def can_log_in(name: str, password: str) -> bool:
    return Client().post(reverse("admin:login"), {"username": name, "password": password}).status_code == 302


def ask(email: str, **more: Any) -> Any:
    return Client().post(reverse("admin_password_reset"), {"email": email}, follow=True, **more)
