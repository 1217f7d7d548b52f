#!/usr/bin/env python3
"""Django's command line for Moreh Cloud."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "moreh_cloud.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:  # a setting that cannot be read; where it was read helps nobody
        sys.exit(f"Not started: {error}")
    except Exception as error:  # of a command of Django's own; ours say it themselves
        from core.commands import in_words

        said = "" if "--traceback" in sys.argv else in_words(error)
        if not said:
            raise
        sys.exit(f"CommandError: {said}")
