"""The web server's worker: gunicorn's threads, which begin only when a whole request is there."""
