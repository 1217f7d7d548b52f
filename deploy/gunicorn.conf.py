"""The web server, in `make up` and in production: `gunicorn --config deploy/gunicorn.conf.py moreh_cloud.wsgi`."""

worker_class = "gthread"
workers = 1
threads = 8
timeout = 60  # seconds
graceful_timeout = 5  # seconds
keepalive = 5  # seconds
control_socket_disable = True
errorlog = "-"
loglevel = "warning"
