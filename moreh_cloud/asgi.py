"""The ASGI entry, for an ASGI server."""

import os

from django.core.asgi import get_asgi_application

from core.waits import bound_statements

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "moreh_cloud.settings")
application = get_asgi_application()
bound_statements()
