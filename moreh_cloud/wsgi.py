"""The WSGI entry: `gunicorn moreh_cloud.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

from core.waits import bound_statements
from moreh_cloud.web.bodies import with_length

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "moreh_cloud.settings")
application = with_length(get_wsgi_application())
bound_statements()
