"""The WSGI entry: `gunicorn moreh_cloud.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "moreh_cloud.settings")
application = get_wsgi_application()
