"""`python -m fleet --data-dir var --server 127.0.0.1:50052 --nodes 16 --jobs 30`."""

import argparse
import asyncio
import logging
from pathlib import Path

from clients.channel import Server
from fleet.run import run_fleet


def main() -> None:
    """Run the simulated fleet until SIGTERM."""
    parser = argparse.ArgumentParser(description="The simulated fleet; its keys are in the data folder.")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--server", required=True, help="host:port of the gRPC server")
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--jobs", type=int, required=True, help="a minute")
    parser.add_argument("--faults", type=int, default=0, help="an hour, in the whole fleet")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    asyncio.run(run_fleet(options.data_dir, Server(options.server), options.nodes, options.jobs, options.faults))


if __name__ == "__main__":
    main()
