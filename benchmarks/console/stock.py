"""The peer: Django's own admin and its list of one plain model, with nothing of ours in it.

A process of its own, because a process has one set of settings. `python -m benchmarks.console.stock ROWS` fills the
database that DATABASE_URL names and prints the cookie of a session; gunicorn runs `application`.
"""

import os
import sys

import django
from django.conf import settings
from django.urls import path

NAME = "benchmarks.console.stock"
if not settings.configured:
    from urllib.parse import urlsplit

    url = urlsplit(os.environ["DATABASE_URL"])
    settings.configure(
        SECRET_KEY="of a benchmark only",  # noqa: S106
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=NAME,
        USE_TZ=True,
        STATIC_URL="/static/",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": url.path[1:],
                "USER": url.username,
                "PASSWORD": url.password,
                "HOST": url.hostname,
                "PORT": url.port,
                "CONN_MAX_AGE": None,
            }
        },
        INSTALLED_APPS=[f"django.contrib.{app}" for app in ("admin", "auth", "contenttypes", "sessions", "messages")]
        + ["benchmarks.console.plain"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
    )
    django.setup()

from django.contrib import admin  # noqa: E402 - after the settings
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402

urlpatterns = [path("admin/", admin.site.urls)]
application = WSGIHandler()


def fill(rows: int) -> str:
    """Make the tables, an administrator and so many rows; return the session's cookie."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    from benchmarks.console.plain.models import Node

    call_command("migrate", run_syncdb=True, verbosity=0)
    Node._default_manager.bulk_create(Node.numbered(number) for number in range(rows))
    browser = Client()
    browser.force_login(User.objects.create_superuser("bench"))  # type: ignore[arg-type]
    return str(browser.cookies["sessionid"].value)


if __name__ == "__main__":
    print(fill(int(sys.argv[1])))
