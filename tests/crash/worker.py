"""A worker process: writes down that it began, listens, lives until it is stopped. `worker.py FILE`."""

import os
import socket
import sys
import time

if __name__ == "__main__":
    with open(sys.argv[1], "a") as book:
        book.write(f"{os.environ['MOREH_JOB_ID']}\n")
    with socket.create_server(("127.0.0.1", int(os.environ["MOREH_WORKER_PORT"]))):
        time.sleep(600)
