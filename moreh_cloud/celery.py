"""The Celery application: tasks are doorbells, the state is in rows."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "moreh_cloud.settings")
app = Celery("moreh_cloud")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
